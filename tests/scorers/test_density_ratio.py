"""The density ratio of two tiny models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from curate.scorers.density_ratio import DensityRatio
from curate.steps.context import Context
from curate.steps.models import Inference
from tests.curate.models.lm.test_answer_logprobs import plain_loop, random_pairs


@pytest.mark.parametrize("tokens", ["sum", "mean"])
def test_log_strong_minus_log_weak(tiny: Path, tiny_other: Path, tokens: str) -> None:
    pairs, context = random_pairs(5), Context(inference=Inference(device="cpu"))
    scorer = DensityRatio(strong=str(tiny), weak={"name": str(tiny_other)}, tokens=tokens)
    scores = scorer.score(pairs, context)
    strong, weak = plain_loop(tiny, pairs), plain_loop(tiny_other, pairs)
    ratio = (strong - weak)[:, :, 0] / (strong[:, :, 1] if tokens == "mean" else 1.0)
    np.testing.assert_allclose(scores["rejected"], ratio[:, 1], atol=1e-4)
    np.testing.assert_allclose(scores["margin"], ratio[:, 0] - ratio[:, 1], atol=1e-4)


def test_criteria_stand_before_the_prompt_of_both_models(tiny: Path, tiny_other: Path) -> None:
    pairs, context = random_pairs(3), Context(inference=Inference(device="cpu"))
    models = {"strong": str(tiny), "weak": str(tiny_other)}
    scores = DensityRatio(**models, criteria="Be brief.").score(pairs, context)
    turns = [
        [{"role": "system", "content": "Be brief.", "more": None}, *prompt]
        for prompt in pairs["prompt"].to_list()
    ]
    by_hand = pairs.with_columns(pl.Series("prompt", turns, dtype=pairs.schema["prompt"]))
    expected = DensityRatio(**models).score(by_hand, context)
    assert scores.equals(expected)
    assert not scores["margin"].equals(DensityRatio(**models).score(pairs, context)["margin"])
    # A system message of the prompt's own stays, after the criteria.
    again = DensityRatio(**models, criteria="Be kind.").score(by_hand, context)
    joined = [[{**t[0], "content": "Be kind.\n\nBe brief."}, *t[1:]] for t in turns]
    by_hand = pairs.with_columns(pl.Series("prompt", joined, dtype=pairs.schema["prompt"]))
    assert again.equals(DensityRatio(**models).score(by_hand, context))
