"""LoRA heads against adapters merged into the weights, and on preferences they can learn."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from pydantic import ValidationError

from curate import CurateError
from curate.models.heads.build import initialise_heads
from curate.models.heads.modules import HeadSpec, fit_heads
from curate.models.lm.lora import LoRAHeads, lora_inputs
from curate.scorers.mc_dropout import MCDropout
from curate.scorers.research.crm import CRM
from curate.scorers.reward_margin import RewardMargin
from curate.steps.context import Context
from curate.steps.models import Inference, ModelSpec
from tests.curate.models.lm.test_answer_logprobs import family_model, random_pairs
from tests.helpers import context_of, pairs_of

RANK, HEADS = 3, 4


def make_heads(
    tiny: Path, batch_tokens: int = 2048
) -> tuple[LoRAHeads, torch.Tensor, torch.Tensor]:
    """Heads whose adapters are not zero, and tokens of a few pairs."""
    context = Context(inference=Inference(device="cpu", batch_tokens=batch_tokens))
    network, chosen, rejected = lora_inputs(random_pairs(9), context, ModelSpec(name=str(tiny)))
    heads = initialise_heads(
        HeadSpec(kind="lora", rank=RANK, init=1.0, network=network), 0, HEADS, 0
    )
    assert isinstance(heads, LoRAHeads)
    generator = torch.Generator().manual_seed(1)
    for up in heads.up:
        up.data = 0.3 * torch.randn(up.shape, generator=generator)
    return heads, chosen, rejected


def merged_rewards(heads: LoRAHeads, ids: torch.Tensor, head: int) -> torch.Tensor:
    """One answer at a time through a copy of the model with the adapter in its weights."""
    model = copy.deepcopy(heads._frozen[0].model).double()
    targets = [m for n, m in model.named_modules() if n.endswith(("q_proj", "v_proj"))]
    for module, down, up in zip(targets, heads.down, heads.up, strict=True):
        module.weight.data += 2.0 * (down[head].double() @ up[head].double()).T
    rewards = []
    for row in ids:
        with torch.no_grad():
            state = model.model(row[row >= 0][None]).last_hidden_state[0, -1]
        rewards.append(heads.last[head].double() @ (state / state.square().mean().sqrt()))
    return torch.stack(rewards)


@pytest.mark.parametrize("batch_tokens", [2048, 100])
def test_equal_to_adapters_merged_into_the_weights(tiny: Path, batch_tokens: int) -> None:
    heads, chosen, rejected = make_heads(tiny, batch_tokens)
    truth = torch.stack(
        [
            merged_rewards(heads, chosen, m) - merged_rewards(heads, rejected, m)
            for m in range(HEADS)
        ]
    ).T
    with torch.no_grad():
        margins = heads.margins(chosen, rejected)
        torch.testing.assert_close(heads.margins(rejected, chosen), -margins)
        one = heads.masked_margins(chosen, rejected, 2, torch.ones(1, heads.units()))
    assert truth.std() > 0.1
    torch.testing.assert_close(margins.double(), truth, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(one[:, 0], margins[:, 2], rtol=1e-4, atol=1e-5)


def test_a_heads_gradient_is_its_own(tiny: Path) -> None:
    heads, chosen, rejected = make_heads(tiny)
    heads.margins(chosen, rejected)[:, 1].sum().backward()
    for parameter in heads.parameters():
        assert parameter.grad is not None
        other_heads = [m for m in range(HEADS) if m != 1]
        assert parameter.grad[other_heads].abs().max() == 0
        assert parameter.grad[1].abs().max() > 0
    assert not any(p.requires_grad for p in heads._frozen[0].model.parameters())


def test_the_model_is_left_as_it_was(tiny: Path) -> None:
    heads, chosen, _ = make_heads(tiny)
    network = heads._frozen[0]
    ids, real = chosen.clamp_min(0), chosen >= 0
    with torch.no_grad():
        before = network.decoder_states(ids, real)
    fit_heads(heads, chosen, chosen.flip(0), torch.ones(9, HEADS), HeadSpec(steps=2, batch=4), 0)
    with torch.no_grad():
        assert torch.equal(network.decoder_states(ids, real), before)


def cats_win(count: int = 60) -> pl.DataFrame:
    """Answers about cats are preferred, in other words each time; some labels are flipped."""
    rng = np.random.default_rng(0)
    words = ["the", "sat", "on", "mat", "and", "slept", "all", "day"]

    def text(animal: str) -> str:
        return " ".join([*rng.choice(words, size=3), animal, *rng.choice(words, size=2)])

    rows: list[dict[str, Any]] = []
    for i in range(count):
        good, bad = text("cat"), text("dog")
        flip = i % 6 == 0
        rows.append(
            {
                "prompt": f"question {i}",
                "chosen": bad if flip else good,
                "rejected": good if flip else bad,
            }
        )
    return pairs_of(rows)


@pytest.mark.slow
def test_scorers_by_lora_heads_find_flips(tiny: Path) -> None:
    pairs = cats_win()
    flipped = np.arange(len(pairs)) % 6 == 0
    context = replace(context_of(pairs, {}, 4), inference=Inference(device="cpu"))
    settings: dict[str, Any] = {
        "head": "lora",
        "model": str(tiny),
        "rank": 4,
        "folds": 2,
        "learning_rate": 0.01,
    }
    margin = RewardMargin(**settings, steps=40, repeats=1).score(pairs, context)
    assert margin["margin"].to_numpy()[~flipped].mean() > 0.5
    assert margin["margin"].to_numpy()[flipped].mean() < -0.5
    doubt = MCDropout(**settings, steps=40, passes=8).score(pairs, context)
    likely = doubt["probability"].to_numpy()
    assert likely[~flipped].mean() > likely[flipped].mean() + 0.3
    assert doubt["variance"].min() >= 0
    assert doubt["variance"].max() > 0
    crm = CRM(**settings, epochs=6, noise_rate=0.17).score(pairs, context)
    loss = crm["loss_mean"].to_numpy()
    assert loss[flipped].mean() > loss[~flipped].mean() + 0.2


def test_a_head_and_its_model_go_together(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="go together"):
        RewardMargin(head="lora")
    with pytest.raises(ValidationError, match="go together"):
        RewardMargin(model=str(tiny))
    context = Context(inference=Inference(device="cpu"))
    spec = ModelSpec(name=str(family_model(tmp_path, "gpt2")))
    network, _, _ = lora_inputs(random_pairs(2), context, spec)
    with pytest.raises(CurateError, match="no projections"):
        initialise_heads(HeadSpec(kind="lora", network=network), 0, 1, 0)


def test_batches_are_halved_where_memory_runs_out(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads, chosen, rejected = make_heads(tiny)
    with torch.no_grad():
        expected = heads.margins(chosen, rejected)
    real, sizes = LoRAHeads._states, list[int]()
    limit = HEADS * max(chosen.shape[1], rejected.shape[1])  # the longest answer by itself

    def states(self: LoRAHeads, ids: torch.Tensor, head_slice: slice) -> torch.Tensor:
        sizes.append(ids.numel() * HEADS)
        if sizes[-1] > limit:
            raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED")
        return real(self, ids, head_slice)

    monkeypatch.setattr(LoRAHeads, "_states", states)
    with torch.no_grad():
        halved = heads.margins(chosen, rejected)
    torch.testing.assert_close(halved, expected, rtol=1e-4, atol=1e-5)
    assert max(sizes) > limit >= sizes[-1]
    fresh, _, _ = make_heads(tiny)
    before = fresh.last.clone()
    fit_heads(fresh, chosen, rejected, torch.ones(9, HEADS), HeadSpec(steps=2, batch=4), 0)
    assert not torch.equal(fresh.last, before)


def test_a_pair_that_does_not_fit_is_an_error_in_words(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads, chosen, rejected = make_heads(tiny)

    def states(self: LoRAHeads, ids: torch.Tensor, head_slice: slice) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(LoRAHeads, "_states", states)
    with pytest.raises(CurateError, match="do not fit into the device's memory"):
        fit_heads(heads, chosen, rejected, torch.ones(9, HEADS), HeadSpec(steps=2, batch=4), 0)
