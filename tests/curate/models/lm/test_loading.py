"""Adapters, gguf files, types, compilation: other ways to the same log-probabilities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from curate import CurateError
from curate.models.lm.answer_logprobs import answer_logprobs
from curate.steps.context import Context
from curate.steps.models import Inference, ModelSpec
from tests.curate.models.lm.test_answer_logprobs import plain_loop, random_pairs, scored


def adapter_of(folder: Path, out: Path) -> Path:
    """A LoRA adapter with random weights."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(folder), config)
    model.save_pretrained(out)
    merged = model.merge_and_unload()
    merged.save_pretrained(out / "merged")
    return out


def test_an_adapter_is_merged(tiny: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    adapter = adapter_of(tiny, tmp_path)
    AutoTokenizer.from_pretrained(tiny).save_pretrained(tmp_path / "merged")
    pairs = random_pairs(4)
    spec = ModelSpec(name=str(tiny), adapter=str(adapter))
    merged = answer_logprobs(pairs, Context(inference=Inference(device="cpu")), spec)
    truth = plain_loop(tmp_path / "merged", pairs)[:, :, 0]
    np.testing.assert_allclose(np.stack([merged.chosen, merged.rejected], 1), truth, atol=1e-3)
    assert np.abs(truth - plain_loop(tiny, pairs)[:, :, 0]).max() > 0.01


def test_an_adapter_that_is_not_there(tiny: Path) -> None:
    spec = ModelSpec(name=str(tiny), adapter="/nowhere/adapter")
    with pytest.raises(CurateError, match="could not be loaded"):
        answer_logprobs(random_pairs(1), Context(inference=Inference(device="cpu")), spec)


def test_half_precision_is_near(tiny: Path) -> None:
    pairs = random_pairs(6)
    exact, half = scored(tiny, pairs), scored(tiny, pairs, dtype="bfloat16")
    np.testing.assert_array_equal(exact[..., 1], half[..., 1])
    np.testing.assert_allclose(exact[..., 0], half[..., 0], rtol=0.02)
    assert not np.array_equal(exact, half)


@pytest.mark.slow
def test_compiled_gives_the_same(tiny: Path) -> None:
    pairs = random_pairs(6)
    np.testing.assert_allclose(scored(tiny, pairs), scored(tiny, pairs, compile=True), atol=1e-3)


@pytest.mark.slow
def test_a_gguf_file_and_its_folder_give_the_same(smollm2: Path) -> None:
    pairs = random_pairs(2)
    context = Context(inference=Inference(device="cpu"))
    packed = answer_logprobs(pairs, context, ModelSpec(name="smollm2"))
    truth = plain_loop(smollm2, pairs)
    np.testing.assert_allclose(packed.chosen, truth[:, 0, 0], rtol=1e-5)
    np.testing.assert_allclose(packed.rejected_tokens, truth[:, 1, 1])
