"""A filter by a score tells what it does to length, refusals, lists and sources."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from curate.data.row_selection import RowSelection
from curate.pipeline.run import Pipeline
from curate.pipeline.selection_bias import SelectionBias, TrainingColumns, selection_bias
from curate.read.pairs import Pairs
from tests.helpers import pairs_of


def pairs(longer: int, shorter: int) -> Pairs:
    rows = [
        {
            "prompt": f"p{i}",
            "chosen": "word " * (20 if i < longer else 5),
            "rejected": "word " * (5 if i < longer else 20),
        }
        for i in range(longer + shorter)
    ]
    return Pairs(pairs_of(rows))


def ran(filters: list[dict[str, Any]], data: Pairs) -> tuple[dict[str, Any], tuple[str, ...]]:
    config = {"scorers": [{"type": "lengths"}], "filters": filters}
    result = Pipeline(config).run(data)
    (step,) = (s for s in result.steps if s.kind == "filter")
    return step.facts, step.alerts


def test_a_filter_that_keeps_long_answers_says_so() -> None:
    keep = "`lengths.difference` > 0 OR pair_id < '2'"
    facts, alerts = ran([{"type": "expression", "keep": keep}], pairs(100, 100))
    before, after = facts["bias"]["longer"]
    assert before == 0.5
    assert after > 0.8
    assert facts["bias"]["length_auroc"] == pytest.approx(0.0, abs=0.1)
    (alert,) = alerts
    assert f"chosen answer is longer in 50% of the pairs before, {after:.0%} after" in alert
    assert "length alone predicts which labels it acts on (AUROC" in alert


def test_a_filter_apart_from_length_is_silent() -> None:
    keep = "pair_id < '8' OR `lengths.difference` IS NULL"
    facts, alerts = ran([{"type": "expression", "keep": keep}], pairs(100, 100))
    before, after = facts["bias"]["longer"]
    assert abs(after - before) < 0.1
    assert abs(facts["bias"]["length_auroc"] - 0.5) < 0.2
    assert alerts == ()


def test_flipped_labels_count() -> None:
    flip = {"type": "flip_where", "condition": "`lengths.difference` < 0"}
    facts, alerts = ran([flip], pairs(60, 60))
    assert facts["bias"]["longer"] == [0.5, 1.0]
    assert "(AUROC 1.00)" in alerts[0]


def test_filters_that_read_no_score_are_not_watched() -> None:
    facts, _ = ran([{"type": "sample", "rows": 50}], pairs(60, 60))
    assert "bias" not in facts


def test_sources_that_grow_or_shrink_are_told() -> None:
    frame = pairs(60, 60).frame
    frame = frame.with_columns(source=pl.Series(["a"] * 60 + ["b"] * 60))
    before = RowSelection.from_table(frame)
    bias = selection_bias(before, before.where(np.arange(120) < 80))
    assert bias.to_json()["source"] == {"a": [0.5, 0.75], "b": [0.5, 0.25]}
    assert bias.acts_on == 40


def weighed(column: str) -> SelectionBias:
    before = RowSelection.from_table(pairs(60, 60).frame)
    after = before.with_columns(pl.DataFrame({"w": [1.0] * 60 + [0.25] * 60}))
    return selection_bias(before, after, TrainingColumns(**{column: "w"}))


def test_weights_count_as_pairs_do() -> None:
    bias = weighed("weight")
    assert bias.to_json()["longer"] == [0.5, 0.8]
    assert bias.acts_on == 60
    assert bias.length_auroc == pytest.approx(0.0)
    assert bias.by_length == pytest.approx(1.0)


def test_a_soft_label_counts_on_both_sides() -> None:
    bias = weighed("label_probability")
    # Sixty long ones, and sixty short ones of which three quarters count as long.
    assert bias.longer.after == pytest.approx((60 + 45) / 120)
    assert bias.acts_on == 60


def with_posterior(longer: int, shorter: int, right: list[float]) -> RowSelection:
    frame = pairs(longer, shorter).frame.with_columns(pl.Series("s.posterior", right))
    return RowSelection.from_table(frame)


def test_the_posterior_says_what_is_expected_and_who_pays() -> None:
    """Short-chosen labels are right with .4 and .8: a loop over pairs gives the same shares."""
    right = [0.9] * 60 + [0.4] * 30 + [0.8] * 30
    before = with_posterior(60, 60, right)
    bias = selection_bias(before, before.where(np.array(right) >= 0.5), None, "s.posterior")
    expected = sum(right[:60]) + sum(1 - p for p in right[60:])
    assert bias.longer.expected is not None
    assert bias.longer.expected.share == pytest.approx(expected / 120)
    assert bias.longer.expected.low < expected / 120 < bias.longer.expected.high
    assert bias.lost is not None
    assert bias.lost.shorter == pytest.approx(30 * 0.4 / (30 * 0.4 + 30 * 0.8), abs=1e-4)
    assert bias.lost.longer == 0.0
    facts = bias.to_json()
    assert facts["right_labels_lost"] == {"shorter": 0.3333, "longer": 0.0}
    assert facts["expected"]["longer"]["share"] == pytest.approx(expected / 120, abs=1e-4)


def test_a_posterior_of_the_label_as_read_is_turned_with_labels_flipped_before() -> None:
    """The same right answers whatever an earlier filter flipped: the expectation stays."""
    right = [0.9] * 60 + [0.4] * 30 + [0.8] * 30
    before = with_posterior(60, 60, right)
    flips = pl.Series(np.arange(120) % 3 == 0)
    flipped = before.table.with_columns(
        chosen=pl.when(flips).then("rejected").otherwise("chosen"),
        rejected=pl.when(flips).then("chosen").otherwise("rejected"),
    ).select("chosen", "rejected")
    after_flip = before.with_columns(flipped)
    plain = selection_bias(before, before, None, "s.posterior").longer.expected
    turned = selection_bias(after_flip, after_flip, None, "s.posterior").longer.expected
    assert plain is not None
    assert turned is not None
    assert turned.share == pytest.approx(plain.share)


def test_unknown_posteriors_and_few_pairs_give_no_expectation() -> None:
    unknown = with_posterior(60, 60, [float("nan")] * 120)
    bias = selection_bias(unknown, unknown, None, "s.posterior")
    assert bias.longer.expected is None
    assert bias.lost is None
    few = with_posterior(8, 8, [0.9] * 16)
    assert selection_bias(few, few, None, "s.posterior").longer.expected is None
