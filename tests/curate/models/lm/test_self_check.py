"""Checks in half precision are made in single; memory that runs out is no sign of a wrong mask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from curate import CurateError
from curate.models.lm import loading
from curate.models.lm.language_model import LanguageModel
from curate.models.lm.loading import load_causal, precision_of
from curate.models.lm.network import CausalNetwork
from curate.models.lm.self_check import compare_exactly
from curate.steps.models import Inference, ModelSpec
from tests.curate.models.lm.test_answer_logprobs import family_model


def half_model(folder: Path, dtype: Any = "bfloat16") -> Any:
    return load_causal(ModelSpec(name=str(folder)), Inference(device="cpu", dtype=dtype), "cpu")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("off", [0.0, 0.01])
def test_a_difference_smaller_than_half_precision_rounds_is_seen(
    tiny: Path, dtype: str, off: float
) -> None:
    model = half_model(tiny, dtype)
    ids = torch.tensor([[1, 2, 3, 4]])
    before = {name: value.clone() for name, value in model.named_parameters()}

    def compute() -> tuple[Tensor, Tensor]:
        logits = model(input_ids=ids).logits
        assert logits.dtype == torch.float32
        return logits, logits * (1.0 + off)

    assert compare_exactly(model, compute) == (off == 0.0)
    for name, value in model.named_parameters():
        assert value.dtype == getattr(torch, dtype)
        assert torch.equal(value, before[name])


def test_weights_come_back_after_an_error(tiny: Path) -> None:
    model = half_model(tiny)

    def compute() -> tuple[Tensor, Tensor]:
        return model(input_ids=torch.tensor([[10**6]])).logits, torch.zeros(1)

    with pytest.raises(IndexError):
        compare_exactly(model, compute)
    assert {value.dtype for value in model.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("family", ["gpt2", "gemma2", "cohere"])
def test_models_in_half_precision_share_prompts_as_they_do_in_single(
    family: str, tmp_path: Path
) -> None:
    folder = family_model(tmp_path, family)
    half = CausalNetwork(half_model(folder), 0, "cpu")
    single = CausalNetwork(half_model(folder, "float32"), 0, "cpu")
    assert (half.linear_head, half.shares) == (single.linear_head, single.shares)


def test_a_mask_that_is_slightly_wrong_is_found_in_half_precision(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = CausalNetwork.token_logprobs

    def shifted(self: CausalNetwork, batch: Any, hidden: Tensor) -> Tensor:
        # Less than the tenth of the largest value that half precision was allowed.
        return real(self, batch, hidden) + 0.05 * (batch.mask.dim() == 4)

    monkeypatch.setattr(CausalNetwork, "token_logprobs", shifted)
    assert not CausalNetwork(half_model(tiny), 0, "cpu").shares


def test_memory_that_runs_out_is_not_taken_for_a_refused_mask(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = CausalNetwork.hidden

    def hidden(self: CausalNetwork, batch: Any) -> Tensor:
        if batch.mask.dim() == 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, batch)

    monkeypatch.setattr(CausalNetwork, "hidden", hidden)
    with pytest.raises(torch.OutOfMemoryError):
        CausalNetwork(half_model(tiny, "float32"), 0, "cpu")


def test_stored_values_depend_on_precision_and_device(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = ModelSpec(name=str(tiny))

    def identity(device: str, dtype: Any = "auto") -> tuple[str, ...]:
        return LanguageModel(spec, Inference(device=device, dtype=dtype)).identity

    assert identity("cpu") != identity("cpu", "bfloat16")
    monkeypatch.setattr(loading, "choose_device", lambda device, where: device)
    assert identity("cuda:0", "bfloat16") == identity("cuda:1", "bfloat16")
    assert identity("cpu", "bfloat16") != identity("cuda:0", "bfloat16")
    assert precision_of(Inference(device="cuda:1")) == "torch.bfloat16 on cuda"


def test_a_quantised_model_is_loaded_where_it_stays(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments: dict[str, Any] = {}
    config = loading.load_config(ModelSpec(name=str(tiny)))
    config.quantization_config = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    monkeypatch.setattr(loading, "load_config", lambda spec: config)

    class Quantised(torch.nn.Module):
        def to(self, *_: Any, **__: Any) -> Any:
            raise ValueError("`.to` is not supported for `4-bit` or `8-bit` bitsandbytes models.")

    def load(**options: Any) -> Any:
        arguments.update(options)
        return Quantised()

    loading._load_on_device(load, ModelSpec(name=str(tiny)), Inference(), "cuda:1")
    assert arguments["device_map"] == {"": "cuda:1"}


def test_a_model_larger_than_a_device_is_refused_in_words(tiny: Path) -> None:
    def load(**_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 16.00 GiB")

    with pytest.raises(CurateError, match="does not fit into the memory of one device") as caught:
        loading._load_on_device(load, ModelSpec(name=str(tiny)), Inference(), "cuda:0")
    assert "16.00 GiB" in str(caught.value)
