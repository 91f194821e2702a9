"""The density ratio of two tiny models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
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
