from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from curate import CurateError
from curate.scorers.research.preference_divergence import PreferenceDivergence
from curate.steps.context import Context
from curate.steps.registry import build_step
from tests.helpers import numbered_pairs

NAMES = ("helpful", "honest", "short")
ASPECTS = {name: {"margin": name} for name in NAMES}


def rated_pairs(margins: np.ndarray) -> pl.DataFrame:
    extra = [
        json.dumps({n: v for n, v in zip(NAMES, row, strict=True) if np.isfinite(v)})
        for row in margins.tolist()
    ]
    return numbered_pairs(len(margins)).with_columns(extra=pl.Series(extra))


def naive_divergence(margins: np.ndarray, weights: dict[str, float], left_out: str) -> list[float]:
    """The definition, one pair and one aspect at a time."""
    values = []
    for row in margins:
        total, rated = 0.0, 0.0
        for j, name in enumerate(NAMES):
            if name == left_out or np.isnan(row[j]):
                continue
            column = [r[j] for r in margins if not np.isnan(r[j])]
            scale = (sum(v * v for v in column) / len(column)) ** 0.5
            total += weights[name] * row[j] / scale
            rated += weights[name]
        values.append(-total / rated)
    return values


@pytest.mark.parametrize("left_out", ["", "short"])
def test_values_equal_a_naive_loop(left_out: str) -> None:
    margins = np.random.default_rng(0).normal(size=(20, 3)) * [1.0, 4.0, 0.2]
    margins[3, 1] = np.nan
    weights = {"helpful": 2.0, "honest": 1.0, "short": 1.0}
    step = PreferenceDivergence(aspects=ASPECTS, weights=weights, labelled_by=left_out or None)
    scores = step.score(rated_pairs(margins), Context())
    expected = naive_divergence(margins, weights, left_out)
    np.testing.assert_allclose(scores["divergence"], expected, atol=1e-12)
    assert scores["agree"][0] == pytest.approx(
        np.mean([m > 0 for m, n in zip(margins[0], NAMES, strict=True) if n != left_out])
    )


def test_pairs_whose_aspects_agree_have_fewer_wrong_labels() -> None:
    """Labels by one aspect that errs; the others know what is better."""
    rng = np.random.default_rng(1)
    truth = rng.normal(size=2000)
    wrong = rng.random(2000) < 0.3
    label = np.where(wrong, -1.0, 1.0) * np.sign(truth)
    aspects = truth[:, None] + rng.normal(size=(2000, 3))
    scores = PreferenceDivergence(aspects=ASPECTS).score(
        rated_pairs(aspects * label[:, None]), Context()
    )
    lowest = np.argsort(scores["divergence"].to_numpy())[:600]
    assert wrong[lowest].mean() < 0.05 < wrong.mean()


def test_pairs_with_one_aspect_have_no_value_and_names_are_checked() -> None:
    margins = np.array([[1.0, np.nan, np.nan], [1.0, 1.0, -1.0]])
    scores = PreferenceDivergence(aspects=ASPECTS).score(rated_pairs(margins), Context())
    assert scores["divergence"].null_count() == 1
    assert scores["status"].to_list() == ["fewer than two aspects are rated", "ok"]
    with pytest.raises(CurateError, match="none of the aspects"):
        build_step(
            PreferenceDivergence,
            {"aspects": ASPECTS, "labelled_by": "kind"},
            "preference_divergence",
        )
