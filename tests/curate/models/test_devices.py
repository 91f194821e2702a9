"""What a GPU would wait for, shown without one; what never ran on one: docs/guides/models.md."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from curate.models.embed import device as devices
from curate.models.embed.embedder import Embedder
from curate.models.heads import linear, partitions
from curate.models.heads.answer_features import answer_feature_matrices
from curate.models.heads.build import initialise_heads
from curate.models.heads.feature_matrix import LazyFeatureMatrix
from curate.models.heads.held_out_values import gather_held_out_values
from curate.models.heads.linear import solve_heads
from curate.models.heads.modules import HeadSpec, fit_heads
from curate.models.heads.out_of_fold import train_out_of_fold
from curate.models.lm.language_model import LanguageModel, answer_sums
from curate.models.lm.loading import dtype_of
from curate.models.lm.network import CausalNetwork
from curate.models.lm.tokens import EncodedConversation
from curate.steps.context import Context
from curate.steps.models import Inference, ModelSpec
from tests.devices import DEVICE, Crossings
from tests.helpers import simulate

PAIRS, DIM, BATCH, STEPS = 1000, 8, 50, 100


def rows_on(device: str, pairs: int = PAIRS) -> tuple[LazyFeatureMatrix, LazyFeatureMatrix]:
    return answer_feature_matrices(simulate(pairs, dim=DIM).context.features, "both", device)


@pytest.mark.parametrize("kind", ["linear", "mlp"])
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_training_waits_for_nothing_and_moves_rows_once_an_epoch(kind: Any, dropout: float) -> None:
    chosen, rejected = rows_on(DEVICE)
    weights = torch.ones(PAIRS, 3, device=DEVICE)
    spec = HeadSpec(kind=kind, hidden=4, steps=STEPS, batch=BATCH, dropout=dropout)
    heads = initialise_heads(spec, chosen.shape[1], 3, 0).to(DEVICE)
    with Crossings() as gpu:
        fit_heads(heads, chosen, rejected, weights, spec, seed=0)
    epochs = STEPS * BATCH // PAIRS
    masks = STEPS if dropout else 0  # drawn by the host, so that every device gets the same
    assert (gpu.waits, gpu.down) == (0, 0)
    assert gpu.up <= epochs + masks + 10


def test_solved_heads_wait_once_a_pass_not_once_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "_ROWS", BATCH)
    chosen, rejected = rows_on(DEVICE)
    with Crossings() as gpu:
        solve_heads(chosen, rejected, torch.ones(PAIRS, 3), 1.0)
    assert gpu.waits == linear._PASSES
    assert gpu.down == 0
    assert gpu.up <= 5


def test_out_of_fold_heads_move_their_features_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "_MIN_ROWS", PAIRS // 4)
    sim = simulate(PAIRS, dim=DIM)
    context = Context(device=DEVICE).for_pairs(sim.pairs, sim.context.features)
    with Crossings() as gpu:
        trained = train_out_of_fold(sim.pairs, context, HeadSpec(), 2, 3)
        passes = linear._PASSES
        parts = len(partitions.pair_partitions(sim.pairs, context).ranges)
        assert parts == 4
        # The features; and in each pass coefficients and weights of a partition, and its sums back.
        assert gpu.up <= parts + 2 * parts * (passes + 1)
        assert gpu.down <= parts * (passes + 2)
        assert trained.margins().shape == (PAIRS, 2)


def test_held_out_values_come_back_in_one_piece() -> None:
    chosen, rejected = rows_on(DEVICE, 20_000)
    heads = initialise_heads(HeadSpec(), chosen.shape[1], 2, 0).to(DEVICE)
    with Crossings() as gpu:
        values = gather_held_out_values(
            heads.margins, chosen, rejected, torch.zeros(20_000, 1, dtype=torch.long)
        )
    assert values.shape == (20_000, 1)
    assert (gpu.waits, gpu.down, gpu.up) == (0, 1, 1)


class _Words(nn.Module):
    """A model of sentence-transformers' interface on any device."""

    max_seq_length = 16

    def __init__(self, record: Any) -> None:
        super().__init__()
        self._record = record

    def preprocess(self, texts: list[str]) -> dict[str, Tensor]:
        return {"input_ids": torch.ones(len(texts), 3, dtype=torch.long)}

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        self._record("run")
        return {"sentence_embedding": inputs["input_ids"].float()}

    def get_embedding_dimension(self) -> int:
        return 3


def embedder(model: nn.Module, device: str) -> Embedder:
    instance = Embedder.__new__(Embedder)
    instance.name, instance.backend, instance.device = "words", "torch", device
    instance.batch_tokens, instance.max_tokens, instance._model = 16, 16, model  # type: ignore[assignment]
    return instance


def test_vectors_of_a_batch_come_back_while_the_next_one_is_at_work() -> None:
    with Crossings() as gpu:
        vectors = embedder(_Words(gpu.note), DEVICE).encode(["a text"] * 12)
    assert vectors.shape == (12, 3)
    work = [e for e in gpu.events if e in ("run", "down")]
    batches = work.count("run")
    assert batches > 2
    assert work == ["run", *["run", "down"] * (batches - 1), "down"]
    assert (gpu.waits, gpu.up) == (0, batches)


def test_embedders_use_mixed_precision_on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    autocasts: list[Any] = []
    real = torch.autocast

    def autocast(device: str, dtype: torch.dtype) -> Any:
        autocasts.append((device, dtype))
        return real("cpu", dtype=dtype)

    monkeypatch.setattr(torch, "autocast", autocast)
    monkeypatch.setattr(
        "curate.models.embed.embedder.move_to_device", lambda values, device: values
    )
    embedder(_Words(lambda event: None), "cuda:0").encode(["a"])
    assert autocasts == [("cuda", torch.bfloat16)]
    embedder(_Words(lambda event: None), "cpu").encode(["a"])
    assert len(autocasts) == 1


def test_what_goes_to_a_gpu_is_pinned_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    values = torch.ones(3)
    monkeypatch.setattr(Tensor, "pin_memory", lambda self: calls.append("pinned") or self)
    monkeypatch.setattr(Tensor, "to", lambda self, *a, **k: calls.append((a, k)) or self)
    devices.move_to_device(values, "cuda:1")
    assert calls == ["pinned", ((torch.device("cuda:1"),), {"non_blocking": True})]
    calls.clear()
    devices.move_to_device(values, "cpu")
    assert "pinned" not in calls


class _Net:
    """A network whose every answer has a value, on the stand-in."""

    device, shares, longest_tree, pad = DEVICE, False, 10_000, 0

    def __init__(self, record: Any) -> None:
        self._record = record

    def batch(self, trees: Any) -> Any:
        return CausalNetwork.batch(self, trees)  # type: ignore[arg-type]

    def hidden(self, batch: Any) -> Tensor:
        self._record("run")
        return batch.ids.float()

    def token_logprobs(self, batch: Any, hidden: Tensor) -> Tensor:
        return torch.zeros(batch.target.shape, device=DEVICE)


def test_log_probabilities_come_back_one_batch_behind() -> None:
    model = LanguageModel(ModelSpec(name="none"), Inference(batch_tokens=64))
    texts = [EncodedConversation(prompt=(1, 2), answer=tuple(range(5))) for _ in range(60)]
    with Crossings() as gpu:
        model.networks = [_Net(gpu.note)]  # type: ignore[list-item]
        rows = [row for batch_rows, _ in model.measure(texts, answer_sums) for row in batch_rows]
    assert sorted(rows) == list(range(60))
    work = [e for e in gpu.events if e in ("run", "down")]
    batches = work.count("run")
    assert batches > 2
    assert work == ["run", *["run", "down"] * (batches - 1), "down"]
    assert gpu.waits == 0


def test_models_are_loaded_in_half_precision_on_a_gpu() -> None:
    assert dtype_of(Inference(), "cuda") in (torch.bfloat16, torch.float16)
    assert dtype_of(Inference(), "cpu") == torch.float32


def test_stored_vectors_of_mixed_precision_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curate.models.embed.embedder.model_hash", lambda name: "hash")
    prints = [
        embedder(_Words(lambda event: None), device).fingerprint
        for device in ("cpu", "cuda:0", "cuda:1")
    ]
    assert prints[0] != prints[1] == prints[2]
