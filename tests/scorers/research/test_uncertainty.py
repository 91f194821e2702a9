from __future__ import annotations

import numpy as np
import polars as pl

from curate.filters.research.challenging import Challenging
from curate.scorers.research.uncertainty import Uncertainty
from curate.steps.context import Context
from tests.helpers import simulate


def test_parts_add_up_and_ignore_the_label() -> None:
    sim = simulate(400)
    scores = Uncertainty(repeats=4).score(sim.pairs, sim.context)
    parts = scores["aleatoric"].to_numpy() + scores["epistemic"].to_numpy()
    np.testing.assert_allclose(parts, scores["total"].to_numpy(), atol=1e-12)
    assert scores["total"].max() <= np.log(2) + 1e-12  # type: ignore[operator]
    assert scores["epistemic"].min() >= 0.0  # type: ignore[operator]


def test_aleatoric_is_large_where_the_true_margin_is_small() -> None:
    sim = simulate(2000, flips=0.0)
    scores = Uncertainty(repeats=4).score(sim.pairs, sim.context)
    ranks = [pl.Series(x).rank().to_numpy() for x in (np.abs(sim.margin), scores["aleatoric"])]
    assert np.corrcoef(*ranks)[0, 1] < -0.9


def test_epistemic_shrinks_with_data() -> None:
    few, many = (
        Uncertainty(repeats=4).score(s.pairs, s.context)["epistemic"].mean()
        for s in (simulate(100, flips=0.0), simulate(3000, flips=0.0))
    )
    assert many < 0.3 * few  # type: ignore[operator]


def test_challenging_keeps_what_is_in_both_shares() -> None:
    frame = pl.DataFrame(
        {
            "uncertainty.aleatoric": [0.1, 0.2, 0.6, 0.7, None],
            "uncertainty.epistemic": [0.01, 0.5, 0.01, 0.5, 0.0],
        }
    )
    verdict = Challenging().apply(frame, Context())
    assert verdict.keep.to_list() == [False, False, True, False, False]
    assert "difficulty" in verdict.reason[0]
    assert "certainty" in verdict.reason[3]
    assert "missing" in verdict.reason[4]
