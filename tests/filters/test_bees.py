from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from curate import Context, CurateError
from curate.filters.bees import BeeS, aggregate_margins


def frame(**columns: list[float | None]) -> pl.DataFrame:
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Float64))


def test_odds_multiply_as_in_the_formula() -> None:
    rng = np.random.default_rng(0)
    margins = rng.normal(size=(50, 3)) * [1.0, 10.0, 0.1]
    p = expit(margins / np.sqrt((margins**2).mean(axis=0)))
    expected = p.prod(axis=1) / (p.prod(axis=1) + (1 - p).prod(axis=1))
    np.testing.assert_allclose(aggregate_margins(margins), expected)


@settings(max_examples=50, deadline=None)
@given(st.floats(0.01, 100.0))
def test_units_do_not_matter_and_a_swap_negates(scale: float) -> None:
    margins = np.random.default_rng(1).normal(size=(20, 2))
    probability = aggregate_margins(margins)
    np.testing.assert_allclose(aggregate_margins(margins * [scale, 1.0]), probability)
    np.testing.assert_allclose(aggregate_margins(-margins), 1.0 - probability)


def test_the_surest_are_kept_and_missing_ones_told() -> None:
    pairs = frame(a=[3.0, -1.0, 0.5, None], b=[2.0, -2.0, 0.1, 5.0])
    verdict = BeeS(margins=("a", "b"), keep=0.34).apply(pairs, Context())
    assert verdict.keep.to_list() == [True, False, False, False]
    assert verdict.reason.to_list()[1:] == [
        "rank 3 of 3 by BeeS, 1 kept",
        "rank 2 of 3 by BeeS, 1 kept",
        "a margin is missing",
    ]
    assert verdict.added is not None
    assert verdict.added["probability"].null_count() == 1
    result = BeeS(margins=("a", "b"), keep=0.34, missing="keep").apply(pairs, Context())
    assert result.keep.to_list() == [True, False, False, True]


def test_nothing_texts_and_zeros() -> None:
    assert len(BeeS(margins=("a",)).apply(frame(a=[]), Context()).keep) == 0
    with pytest.raises(CurateError, match="not numeric"):
        BeeS(margins=("a",)).apply(pl.DataFrame({"a": ["x"]}), Context())
    assert aggregate_margins(np.zeros((3, 2))).tolist() == [0.5] * 3


def test_two_independent_sources_find_wrong_labels_and_a_small_gap_collects_them() -> None:
    rng = np.random.default_rng(2)
    wrong = rng.random(4000) < 0.2
    true = np.abs(rng.normal(2.0, 1.0, 4000)) * np.where(wrong, -1.0, 1.0)
    margins = true[:, None] + rng.normal(scale=2.0, size=(4000, 2))
    pairs = pl.DataFrame({"external": margins[:, 0], "implicit": margins[:, 1]})
    keep_mask = (
        BeeS(margins=("external", "implicit"), keep=0.1).apply(pairs, Context()).keep.to_numpy()
    )
    one = BeeS(margins=("external",), keep=0.1).apply(pairs, Context()).keep.to_numpy()
    assert keep_mask.sum() == one.sum() == 400
    assert wrong[keep_mask].mean() < wrong[one].mean() + 0.01 < 0.05
    smallest = np.argsort(margins[:, 1])[:400]
    assert wrong[smallest].mean() > 0.6
