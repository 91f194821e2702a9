"""The vLLM backend against a stand-in of its interface that computes with transformers."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from curate import CurateError
from curate.steps.context import Context
from curate.steps.models import Inference
from scorers.donod_lm import DONODLM
from tests.curate.models.lm.test_answers import plain_loop, random_pairs, scored


class _LLM:
    """What `vllm.LLM.generate` gives for token ids with prompt_logprobs=0."""

    def __init__(self, model: str, **options: Any) -> None:
        from transformers import AutoModelForCausalLM

        assert options["max_model_len"] == 2049
        self._model = AutoModelForCausalLM.from_pretrained(model).eval()

    def generate(self, inputs: list[dict[str, Any]], params: Any, use_tqdm: bool) -> list[Any]:
        assert params.prompt_logprobs == 0
        return [self._one(i["prompt_token_ids"]) for i in inputs]

    def _one(self, ids: list[int]) -> Any:
        with torch.no_grad():
            logprobs = torch.log_softmax(self._model(torch.tensor([ids])).logits[0], -1)
        rows = [
            {token: SimpleNamespace(logprob=float(logprobs[t, token]))}
            for t, token in enumerate(ids[1:])
        ]
        return SimpleNamespace(prompt_logprobs=[None, *rows])


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("vllm")
    module.__spec__ = importlib.machinery.ModuleSpec("vllm", None)
    module.__dict__.update(LLM=_LLM, SamplingParams=SimpleNamespace)
    monkeypatch.setitem(sys.modules, "vllm", module)


@pytest.mark.usefixtures("vllm")
def test_sums_of_the_answers_tokens(tiny: Path) -> None:
    pairs = random_pairs(6)
    found = scored(tiny, pairs, backend="vllm")
    np.testing.assert_allclose(found, plain_loop(tiny, pairs), atol=1e-4)


@pytest.mark.usefixtures("vllm")
def test_what_needs_more_than_logprobs_says_so(tiny: Path) -> None:
    context = Context(inference=Inference(device="cpu", backend="vllm"))
    with pytest.raises(CurateError, match="more of the model"):
        DONODLM(policy=str(tiny), reference=str(tiny)).score(random_pairs(2), context)


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vllm is installed")
def test_without_vllm(tiny: Path) -> None:
    with pytest.raises(CurateError, match="vllm is not installed"):
        scored(tiny, random_pairs(1), backend="vllm")
