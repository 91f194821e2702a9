"""fifa and delta."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from curate.filters.fifa import FiFA
from curate.filters.research.delta import Delta
from curate.steps.context import Context

M, E = "reward_margin.margin", "knn_diversity.entropy"


def test_importance_is_the_weighted_sum_of_standardised_terms() -> None:
    rng = np.random.default_rng(0)
    m, e, q = rng.normal(size=(3, 50))
    frame = pl.DataFrame({M: m, E: e, "q": q})
    verdict = FiFA(keep=0.2, quality="q", quality_weight=2.0, diversity_weight=0.3).apply(
        frame, Context()
    )
    expected = sum(w * (x - x.mean()) / x.std() for w, x in ((1.0, m), (0.3, e), (2.0, q)))
    assert verdict.added is not None
    np.testing.assert_allclose(verdict.added["importance"].to_numpy(), expected)
    best = np.argsort(-np.asarray(expected))[:10]
    assert sorted(np.flatnonzero(verdict.keep.to_numpy())) == sorted(best)


def test_units_do_not_matter_and_the_sign_of_the_margin_does() -> None:
    frame = pl.DataFrame({M: [-9.0, -1.0, 0.5, 2.0], E: [0.0, 0.0, 0.0, 0.0]})
    keep = FiFA(rows=2).apply(frame, Context()).keep.to_list()
    assert keep == [False, False, True, True]
    scaled = frame.with_columns(pl.col(M) * 100)
    assert FiFA(rows=2).apply(scaled, Context()).keep.to_list() == keep
    absolute = FiFA(rows=2, sign="absolute").apply(frame, Context()).keep.to_list()
    assert absolute == [True, False, False, True]


def test_a_missing_term_is_said() -> None:
    frame = pl.DataFrame({M: [1.0, None], E: [0.1, 0.2]})
    verdict = FiFA(keep=1.0).apply(frame, Context())
    assert verdict.keep.to_list() == [True, False]
    assert verdict.reason[1] == f"{M} is missing"
    with pytest.raises(ValueError, match="exactly one"):
        FiFA()


def test_delta_keeps_weak_pairs_with_a_clear_gap() -> None:
    frame = pl.DataFrame(
        {
            "reward_model.chosen": [9.0, 2.0, 8.0, None],
            "reward_model.rejected": [8.8, 0.5, 1.0, 1.0],
        }
    )
    verdict = Delta(min_gap=1.0).apply(frame, Context())
    assert verdict.keep.to_list() == [False, True, True, False]
    assert verdict.added is not None
    assert verdict.added["level"].to_list()[:3] == pytest.approx([8.9, 1.25, 4.5])
    assert verdict.added["status"].to_list() == ["ok", "ok", "ok", "no quality"]
    assert Delta(min_gap=1.0, max_level=2.0).apply(frame, Context()).keep.sum() == 1
    assert Delta(min_gap=1.0, min_level=2.0).apply(frame, Context()).keep.to_list()[2]
