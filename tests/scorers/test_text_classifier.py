"""Any text-classification model as a scorer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from curate import CurateError
from curate.scorers.text_classifier import TextClassifier
from curate.steps.context import Context
from curate.steps.models import Inference
from tests.curate.models.lm.test_answer_logprobs import random_pairs
from tests.models import tiny_classifier

LABELS = {0: "safe", 1: "unsafe", 2: "spam"}


def logits_of(folder: Path, text: str) -> np.ndarray:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        ids = torch.tensor([AutoTokenizer.from_pretrained(folder)(text)["input_ids"]])
        return model(ids).logits[0].double().numpy()


@pytest.mark.parametrize("problem", ["single_label_classification", "multi_label_classification"])
def test_probability_of_a_label_of_the_answer(tmp_path: Path, problem: str) -> None:
    folder = tiny_classifier(tmp_path, labels=3, id2label=LABELS, problem_type=problem)
    pairs = random_pairs(6)
    scorer = TextClassifier(model=str(folder), label="unsafe")
    scores = scorer.score(pairs, Context(inference=Inference(device="cpu")))
    for row, value in zip(pairs.to_dicts(), scores["chosen"], strict=True):
        z = logits_of(folder, row["chosen"][0]["content"])
        softmax, sigmoid = np.exp(z) / np.exp(z).sum(), 1 / (1 + np.exp(-z))
        assert value == pytest.approx((softmax if "single" in problem else sigmoid)[1], abs=1e-5)
    difference = scores["chosen"] - scores["rejected"]
    np.testing.assert_allclose(scores["difference"], difference)


def test_one_output_is_given_as_it_is_and_the_conversation_can_be_read(tmp_path: Path) -> None:
    folder, pairs = tiny_classifier(tmp_path), random_pairs(3)
    context = Context(inference=Inference(device="cpu"))
    answer = TextClassifier(model=str(folder)).score(pairs, context)
    of_conversation = TextClassifier(model=str(folder), reads="conversation").score(pairs, context)
    text = pairs["chosen"][0][0]["content"]
    assert answer["chosen"][0] == pytest.approx(logits_of(folder, text)[0], abs=1e-5)
    assert (answer["chosen"] - of_conversation["chosen"]).abs().min() > 1e-4


def test_an_unknown_label(tmp_path: Path) -> None:
    scorer = TextClassifier(
        model=str(tiny_classifier(tmp_path, labels=3, id2label=LABELS)), label="unsave"
    )
    with pytest.raises(CurateError, match="no such label") as caught:
        scorer.score(random_pairs(1), Context(inference=Inference(device="cpu")))
    assert "unsafe" in str(caught.value)
