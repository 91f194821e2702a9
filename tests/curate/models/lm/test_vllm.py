"""The vLLM backend against a stand-in of its interface that computes with transformers."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from curate import CurateError
from curate.models.lm.answer_logprobs import answer_logprobs
from curate.models.lm.vllm_model import lora_rank
from curate.scorers.donod_lm import DONODLM
from curate.steps.context import Context
from curate.steps.models import Inference, ModelSpec
from tests.curate.models.lm.test_answer_logprobs import plain_loop, random_pairs, scored


class _LLM:
    """What `vllm.LLM.generate` gives for token ids with prompt_logprobs=0."""

    def __init__(self, model: str, **options: Any) -> None:
        from transformers import AutoModelForCausalLM

        assert options["max_model_len"] == 2049
        self._model = AutoModelForCausalLM.from_pretrained(model).eval()
        self._rank = options["max_lora_rank"] if options.get("enable_lora") else None

    def generate(
        self, inputs: list[dict[str, Any]], params: Any, use_tqdm: bool, lora_request: Any = None
    ) -> list[Any]:
        assert params.prompt_logprobs == 0
        if lora_request is not None and not hasattr(self._model, "peft_config"):
            from peft import PeftModel

            self._model = PeftModel.from_pretrained(self._model, lora_request.lora_path).eval()
            # As vLLM does: a larger rank than was announced is an error.
            assert self._rank >= self._model.peft_config["default"].r
        return [self._one(i["prompt_token_ids"]) for i in inputs]

    def _one(self, ids: list[int]) -> Any:
        with torch.no_grad():
            logprobs = torch.log_softmax(self._model(torch.tensor([ids])).logits[0], -1)
        rows = [
            {token: SimpleNamespace(logprob=float(logprobs[t, token]))}
            for t, token in enumerate(ids[1:])
        ]
        return SimpleNamespace(prompt_logprobs=[None, *rows])


@dataclass
class _LoRARequest:
    """vLLM's, of which the first three are given by position."""

    lora_name: str
    lora_int_id: int
    lora_path: str


def adapter_of(model: Path, folder: Path, **settings: Any) -> str:
    """An adapter of random weights that changes what the model says."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    config = LoraConfig(target_modules=["q_proj", "v_proj"], init_lora_weights=False, **settings)
    base = AutoModelForCausalLM.from_pretrained(model)
    get_peft_model(base, config).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("vllm")
    module.__spec__ = importlib.machinery.ModuleSpec("vllm", None)
    module.__dict__.update(LLM=_LLM, SamplingParams=SimpleNamespace)
    monkeypatch.setitem(sys.modules, "vllm", module)
    for name in ("vllm.lora", "vllm.lora.request"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["vllm.lora.request"].__dict__["LoRARequest"] = _LoRARequest


@pytest.mark.usefixtures("vllm")
def test_sums_of_the_answers_tokens(tiny: Path) -> None:
    pairs = random_pairs(6)
    result = scored(tiny, pairs, backend="vllm")
    np.testing.assert_allclose(result, plain_loop(tiny, pairs), atol=1e-4)


@pytest.mark.usefixtures("vllm")
@pytest.mark.parametrize("rank", [4, 20])
def test_an_adapter_is_applied(tiny: Path, tmp_path: Path, rank: int) -> None:
    pairs, adapter = random_pairs(4), adapter_of(tiny, tmp_path / "adapter", r=rank)
    spec = ModelSpec(name=str(tiny), adapter=adapter)
    by_vllm, merged, bare = (
        answer_logprobs(pairs, Context(inference=Inference(device="cpu", backend=backend)), one)
        for backend, one in (
            ("vllm", spec),
            ("transformers", spec),
            ("vllm", ModelSpec(name=str(tiny))),
        )
    )
    np.testing.assert_allclose(by_vllm.chosen, merged.chosen, atol=1e-4)
    np.testing.assert_allclose(by_vllm.rejected, merged.rejected, atol=1e-4)
    assert np.abs(bare.chosen - by_vllm.chosen).max() > 0.1


@pytest.mark.usefixtures("vllm")
@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"use_dora": True}, "use_dora: True"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"bias": "all"}, "bias: all"),
        ({"r": 600}, "rank 600"),
    ],
)
def test_an_adapter_that_vllm_cannot_apply_is_refused(
    tiny: Path, tmp_path: Path, settings: dict[str, Any], named: str
) -> None:
    adapter = adapter_of(tiny, tmp_path / "adapter", **settings)
    with pytest.raises(CurateError, match="cannot apply the adapter") as error:
        lora_rank(adapter)
    assert named in str(error.value)


def test_an_adapter_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="the adapter cannot be read"):
        lora_rank(str(tmp_path))


@pytest.mark.usefixtures("vllm")
def test_what_needs_more_than_logprobs_says_so(tiny: Path) -> None:
    context = Context(inference=Inference(device="cpu", backend="vllm"))
    with pytest.raises(CurateError, match="more of the model"):
        DONODLM(policy=str(tiny), reference=str(tiny)).score(random_pairs(2), context)


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vllm is installed")
def test_without_vllm(tiny: Path) -> None:
    with pytest.raises(CurateError, match="vllm is not installed"):
        scored(tiny, random_pairs(1), backend="vllm")
