"""Every filter: what it keeps, and why it drops the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from curate import CurateError
from curate.filters import topsis
from curate.filters.sample import Sample
from curate.filters.topsis import closeness
from curate.steps.context import Context
from curate.steps.contracts import FilterResult
from curate.steps.registry import build_step, filter_class
from tests.helpers import numbered_pairs, pairs_of

BASE = {"prompt": "p", "chosen": "a", "rejected": "b"}


def apply(name: str, pairs: pl.DataFrame, **parameters: Any) -> FilterResult:
    return build_step(filter_class(name), parameters, "filters.0").apply(pairs, Context())


def kept_rows(name: str, pairs: pl.DataFrame, **parameters: Any) -> list[int]:
    return apply(name, pairs, **parameters).keep.arg_true().to_list()


def scored(*values: float | None) -> pl.DataFrame:
    return numbered_pairs(len(values)).with_columns(pl.Series("s.x", values, dtype=pl.Float64))


def test_ties() -> None:
    assert kept_rows("ties", pairs_of([BASE, {**BASE, "is_tie": True}])) == [0]


def test_identical_answers() -> None:
    assert kept_rows("identical_answers", pairs_of([BASE, {**BASE, "rejected": "a"}])) == [0]


def test_exact_duplicates() -> None:
    flip = {**BASE, "chosen": "b", "rejected": "a"}
    pairs = pairs_of([BASE, BASE, {**BASE, "annotator": "x"}, flip, {**BASE, "prompt": "q"}])
    result = apply("exact_duplicates", pairs)
    assert result.keep.arg_true().to_list() == [0, 2, 3, 4]
    assert result.reason[1] == f"repeats pair {pairs['pair_id'][0]}"
    assert kept_rows("exact_duplicates", pairs, ignore_annotator=True) == [0, 3, 4]
    assert kept_rows("exact_duplicates", pairs, contradictions="drop") == [4]


def test_near_duplicates() -> None:
    text = " ".join(f"w{i}" for i in range(50))
    pairs = pairs_of([{**BASE, "prompt": p} for p in (text, text + " more", "other words here")])
    result = apply("near_duplicates", pairs, threshold=0.9)
    assert result.keep.to_list() == [True, False, True]
    assert result.reason[1] == f"nearly repeats pair {pairs['pair_id'][0]}"


def test_expression_follows_sql_on_missing_values() -> None:
    pairs = scored(1.0, 3.0, None)
    result = apply("expression", pairs, keep="`s.x` > 2")
    assert result.keep.to_list() == [False, True, False]
    assert result.reason[0] == "not true: `s.x` > 2"
    assert result.reason[2] == "unknown for a missing value: `s.x` > 2"
    assert kept_rows("expression", pairs, drop="`s.x` > 2") == [0, 2]
    assert kept_rows("expression", pairs, keep="`s.x` IS NULL") == [2]
    assert build_step(filter_class("expression"), {"keep": "`s.x` > 2 AND is_tie"}, "").reads() == (
        "s.x",
        "is_tie",
    )


@pytest.mark.parametrize("text", ["`s.x` + 1", "`s.x` > 'a'"])
def test_an_expression_that_is_no_condition(text: str) -> None:
    with pytest.raises(CurateError, match="does not evaluate"):
        apply("expression", scored(1.0), keep=text)


def test_threshold_is_inclusive_and_says_why() -> None:
    pairs = scored(1.0, 2.0, 3.0, 4.0, None)
    result = apply("threshold", pairs, column="s.x", min=2, max=3)
    assert result.keep.to_list() == [False, True, True, False, False]
    assert result.reason.to_list()[::3] == ["s.x 1.0 below min 2.0", "s.x 4.0 above max 3.0"]
    assert result.reason[4] == "s.x is missing"
    assert kept_rows("threshold", pairs, column="s.x", min=4, missing="keep") == [3, 4]


def test_threshold_needs_a_bound_and_numbers() -> None:
    with pytest.raises(CurateError, match="wrong value"):
        apply("threshold", scored(1.0), column="s.x")
    with pytest.raises(CurateError, match="is not numeric"):
        apply("threshold", scored(1.0), column="source", min=1)


def test_quantile_keeps_the_exact_number_even_among_equals() -> None:
    assert kept_rows("quantile", scored(1, 5, 3, None), column="s.x", keep=0.67) == [1, 2]
    assert kept_rows("quantile", scored(1, 5, 3), column="s.x", keep=0.34, prefer="min") == [0]
    assert kept_rows("quantile", scored(2, 2, 2, 2), column="s.x", keep=0.5) == [0, 1]
    reason = apply("quantile", scored(1, 5), column="s.x", keep=0.5).reason[0]
    assert reason == "rank 2 of 2 by s.x (max), 1 kept"


def test_a_sample_by_odds_draws_in_proportion_and_nobody_without() -> None:
    odds = [0.0, 1.0, 1.0, 4.0, None]
    pairs = numbered_pairs(5).with_columns(pl.Series("s.w", odds))
    times = np.zeros(5)
    for seed in range(600):
        sampled = Sample(rows=1, weights="s.w", seed=seed).apply(pairs, Context())
        times += sampled.keep.to_numpy()
    np.testing.assert_allclose(times / 600, [0, 1 / 6, 1 / 6, 4 / 6, 0], atol=0.06)
    most = Sample(rows=5, weights="s.w", seed=0).apply(pairs, Context())
    assert most.keep.to_list() == [False, True, True, True, False]
    with pytest.raises(CurateError, match="odds are negative"):
        Sample(rows=1, weights="s.w").apply(
            pairs.with_columns(pl.lit(-1.0).alias("s.w")), Context()
        )


def test_odds_that_hardly_differ_are_called_a_random_draw() -> None:
    pairs = numbered_pairs(4)
    for odds, warnings in (([0.9999, 1.0, 1.0001, 1.0], 1), ([0.5, 1.0, 1.5, 1.0], 0)):
        context = Context()
        Sample(rows=2, weights="s.w").apply(pairs.with_columns(pl.Series("s.w", odds)), context)
        assert len(context.warnings) == warnings
        assert all("random draw" in warning for warning in context.warnings)


def test_sample_is_repeatable_and_exact() -> None:
    pairs = numbered_pairs(100)
    one, two = (kept_rows("sample", pairs, rows=30, seed=s) for s in (1, 2))
    assert len(one) == len(two) == 30
    assert one != two
    assert one == kept_rows("sample", pairs, rows=30, seed=1)
    assert len(kept_rows("sample", pairs, share=0.25)) == 25
    assert len(kept_rows("sample", pairs, rows=1000)) == 100


def test_per_group_by_prompt_source_or_score() -> None:
    pairs = numbered_pairs(6, prompts=2).with_columns(
        pl.Series("s.x", [1.0, 1.0, 3.0, None, 2.0, 5.0])
    )
    assert kept_rows("per_group", pairs, by="prompt", keep=2) == [0, 1, 2, 3]
    assert kept_rows("per_group", pairs, by="prompt", keep=1, order_by="s.x") == [2, 5]
    assert kept_rows("per_group", pairs, by="prompt", keep=2, order_by="s.x", prefer="min") == [
        0,
        1,
        4,
        5,
    ]
    assert kept_rows("per_group", pairs, by="source", keep=2) == [0, 1]
    assert kept_rows("per_group", pairs, by="annotator", keep=2) == [0, 1]


def two_scores(x: list[float | None], y: list[float]) -> pl.DataFrame:
    return scored(*x).with_columns(pl.Series("s.y", y, dtype=pl.Float64))


def test_topsis_by_hand() -> None:
    """Hwang and Yoon's steps on three rows, worked out with pencil."""
    values = np.array([[3.0, 1.0], [4.0, 2.0], [0.0, 2.0]])
    scores = closeness(values.T, np.array([1.0, -1.0]), np.array([1.0, 1.0]))
    v = values / np.array([5.0, 3.0]) * np.array([0.5, -0.5])
    best, worst = v.max(0), v.min(0)
    up, down = np.linalg.norm(v - best, axis=1), np.linalg.norm(v - worst, axis=1)
    np.testing.assert_allclose(scores, down / (up + down))
    assert scores.argsort().tolist() == [2, 1, 0]


@pytest.mark.parametrize("normalisation", ["vector", "rank"])
def test_topsis_in_blocks_is_that_of_the_whole(
    normalisation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(0).normal(size=(3, 20)).round(1)
    chosen = np.array([1.0, -1.0, 1.0]), np.array([1.0, 2.0, 0.5]), normalisation
    in_one_block = closeness(values, *chosen)
    monkeypatch.setattr(topsis, "_ROWS_PER_BLOCK", 7)
    np.testing.assert_allclose(closeness(values, *chosen), in_one_block)


@given(
    arrays(float, (6, 3), elements=st.floats(0.1, 10)),
    arrays(float, 3, elements=st.floats(0.01, 100)),
    st.floats(0.1, 10),
)
def test_topsis_does_not_depend_on_the_scale_of_columns_or_weights(
    values: np.ndarray, scale: np.ndarray, factor: float
) -> None:
    signs, weights = np.array([1.0, -1.0, 1.0]), np.array([1.0, 2.0, 0.5])
    one = closeness(values.T, signs, weights)
    np.testing.assert_allclose(
        closeness((values * scale).T, signs, weights * factor), one, atol=1e-6
    )
    assert ((one >= 0) & (one <= 1)).all()


def test_topsis_of_equal_rows_zero_columns_and_an_outlier() -> None:
    ones = np.ones(2)
    assert closeness(np.zeros((2, 3)), ones, ones).tolist() == [0.5] * 3
    assert closeness(np.empty((2, 0)), ones, ones).tolist() == []
    values = np.array([[1.0, 1.0], [2.0, 3.0], [3.0, 2.0], [1e9, 1.0]])
    ranked = closeness(values.T, np.array([-1.0, -1.0]), ones, "rank")
    assert ranked.argmax() == 0
    assert ranked[1] != ranked[2] or ranked[1] > 0


def test_topsis_keeps_the_best_share_and_names_what_is_missing() -> None:
    pairs = two_scores([1, 2, 3, None], [1, 2, 3, 4])
    result = apply("topsis", pairs, criteria={"s.x": "max", "s.y": "max"}, keep=0.34)
    assert result.keep.to_list() == [False, False, True, False]
    assert result.added is not None
    assert result.added["score"].to_list()[3] is None
    assert result.added["status"].to_list() == ["ok", "ok", "ok", "s.x is missing"]
    assert result.reason[0] == "rank 3 of 3 by TOPSIS, 1 kept"
    assert result.reason[3] == "s.x is missing"


def test_topsis_weights_decide_between_criteria() -> None:
    pairs = two_scores([1, 2], [2, 1])
    criteria = {"s.x": "max", "s.y": "max"}
    first = kept_rows("topsis", pairs, criteria=criteria, weights={"s.x": 1, "s.y": 0}, keep=0.5)
    second = kept_rows("topsis", pairs, criteria=criteria, weights={"s.x": 1, "s.y": 9}, keep=0.5)
    assert (first, second) == ([1], [0])
    with pytest.raises(CurateError, match="negative"):
        apply("topsis", pairs, criteria=criteria, weights={"s.x": -1})


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("ties", {}),
        ("identical_answers", {}),
        ("exact_duplicates", {}),
        ("near_duplicates", {}),
        ("sample", {"share": 0.5}),
        ("quantile", {"column": "s.x", "keep": 0.5}),
        ("threshold", {"column": "s.x", "min": 0}),
        ("per_group", {"by": "prompt", "keep": 1}),
        ("topsis", {"criteria": {"s.x": "max"}}),
        ("expression", {"keep": "`s.x` > 0"}),
    ],
)
def test_every_filter_takes_an_empty_table(name: str, parameters: dict[str, Any]) -> None:
    result = apply(name, scored(1.0).clear(), **parameters)
    assert (len(result.keep), len(result.reason)) == (0, 0)
