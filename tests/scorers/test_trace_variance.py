"""Variance over traces against plain passes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from curate.scorers.trace_variance import NO_TRACE, TraceVariance
from curate.steps.context import Context
from curate.steps.models import Inference
from tests.helpers import pairs_of
from tests.models import TEMPLATE, tiny_causal, tiny_tokenizer

CONTEXT = Context(inference=Inference(device="cpu"))
PAIRS = pairs_of(
    [
        {
            "prompt": "what is a cat",
            "chosen": "<think>the dog sat on the mat</think>\n\nan animal",
            "rejected": "slept</think>a question",
        },
        {"prompt": "what", "chosen": "<think>all</think>day", "rejected": "no trace at all"},
    ]
)


def mean_logprob(folder: Path, prefix: str, answer: str) -> float:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder).double().eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    start = tokenizer(prefix)["input_ids"]
    ids = torch.tensor([start + tokenizer(answer)["input_ids"]])
    with torch.no_grad():
        logprobs = torch.log_softmax(model(ids).logits[0], -1)[:-1]
    return float(logprobs.gather(1, ids[0, 1:, None])[len(start) - 1 :].mean())


def test_variance_of_the_final_answer(tiny: Path) -> None:
    scores = TraceVariance(model=str(tiny)).score(PAIRS, CONTEXT)
    prompt = "<|user|> what is a cat<eos>\n<|assistant|> "
    for side, trace, final in (
        ("chosen", "the dog sat on the mat", "an animal<eos>\n"),
        ("rejected", "slept", "a question<eos>\n"),
    ):
        a = mean_logprob(tiny, f"{prompt}<think>{trace}</think>\n\n", final)
        b = mean_logprob(tiny, f"{prompt}<think>\n\n</think>\n\n", final)
        np.testing.assert_allclose(scores[f"{side}_shift"][0], a - b, atol=1e-5)
        np.testing.assert_allclose(scores[side][0], np.var([a, b]), atol=1e-5)


def test_answers_without_a_trace_have_no_value(tiny: Path) -> None:
    scores = TraceVariance(model=str(tiny)).score(PAIRS, CONTEXT)
    assert scores["status"].to_list() == ["ok", NO_TRACE]
    assert scores["rejected"].to_list()[1] is None


def test_a_template_that_opens_the_trace_is_not_given_another(tmp_path: Path) -> None:
    plain, opening = tmp_path / "plain", tmp_path / "opening"
    for folder in (plain, opening):
        tiny_causal(folder)
    tiny_tokenizer(
        opening, template=TEMPLATE.replace("<|assistant|> {%", "<|assistant|> <think>{%")
    )
    one = PAIRS.head(1)
    scores = [TraceVariance(model=str(f)).score(one, CONTEXT) for f in (plain, opening)]
    np.testing.assert_allclose(scores[0]["chosen"], scores[1]["chosen"], atol=1e-6)
