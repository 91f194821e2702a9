"""A filter by a score tells what it does to length, refusals and lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from curate import CurateError
from curate.data.pair_rows import PairRows
from curate.pipeline.bias_watch import watch
from curate.pipeline.run import Pipeline
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


def told(filters: list[dict[str, Any]], data: Pairs) -> tuple[dict[str, Any], list[str]]:
    config = {"scorers": [{"type": "lengths"}], "filters": filters}
    result = Pipeline(config).run(data)
    (step,) = (s for s in result.steps if s.kind == "filter")
    return step.facts, list(step.warnings)


def test_a_filter_that_keeps_long_answers_says_so() -> None:
    keep = "`lengths.difference` > 0 OR pair_id < '2'"
    facts, warnings = told([{"type": "expression", "keep": keep}], pairs(100, 100))
    before, after = facts["bias"]["longer"]
    assert before == 0.5
    assert after > 0.8
    assert facts["bias"]["length_auroc"] == pytest.approx(0.0, abs=0.1)
    assert any("the preferred answer is longer: from 50% to" in text for text in warnings)
    assert any("told by length alone (AUROC 0.9" in w or "(AUROC 1.0" in w for w in warnings)


def test_a_filter_apart_from_length_is_silent() -> None:
    keep = "pair_id < '8' OR `lengths.difference` IS NULL"
    facts, warnings = told([{"type": "expression", "keep": keep}], pairs(100, 100))
    before, after = facts["bias"]["longer"]
    assert abs(after - before) < 0.1
    assert abs(facts["bias"]["length_auroc"] - 0.5) < 0.2
    assert warnings == []


def test_flipped_labels_count() -> None:
    flip = {"type": "flip_where", "condition": "`lengths.difference` < 0"}
    facts, warnings = told([flip], pairs(60, 60))
    assert facts["bias"]["longer"] == [0.5, 1.0]
    assert any("told by length alone (AUROC 1.00)" in text for text in warnings)


def test_filters_that_read_no_score_are_not_watched() -> None:
    facts, _ = told([{"type": "sample", "rows": 50}], pairs(60, 60))
    assert "bias" not in facts


def noisy_lengths(count: int = 300) -> Pairs:
    """Judges prefer the longer answer; a fifth of the labels is flipped."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(count):
        sides = ["word " * int(n) for n in rng.choice(np.arange(5, 60), 2, replace=False)]
        long, short = sorted(sides, key=len, reverse=True)
        chosen, rejected = (short, long) if rng.random() < 0.2 else (long, short)
        rows.append({"prompt": f"question {i}", "chosen": chosen, "rejected": rejected})
    return Pairs(pairs_of(rows))


DROP = {"type": "quantile", "column": "noise_score.score", "keep": 0.8, "prefer": "min"}


def test_a_learned_score_that_doubts_by_length_alone_stops_with_the_ways_out() -> None:
    config = {"scorers": [{"type": "noise_score"}], "filters": [DROP]}
    with pytest.raises(CurateError) as stopped:
        Pipeline(config).run(noisy_lengths())
    text = str(stopped.value)
    assert "60 of 300 pairs, told by the difference in length" in text
    assert "within: [length]" in text
    assert "--accept-bias" in text
    accepted = Pipeline(config | {"accept_bias": True}).run(noisy_lengths())
    assert len(accepted.kept) == 240
    assert any("told by length alone" in w for w in accepted.warnings)


def test_within_length_no_filter_goes_by_length() -> None:
    scorers = [{"type": "noise_score", "within": ["length"]}]
    result = Pipeline({"scorers": scorers, "filters": [DROP]}).run(noisy_lengths())
    (step,) = (s for s in result.steps if s.kind == "filter")
    # Nothing but length tells the labels here: what is left teaches nothing, or no length.
    told = step.facts.get("bias", {}).get("length_auroc")
    assert told is None or abs(told - 0.5) < 0.2


def test_sources_that_grow_or_shrink_are_told() -> None:
    frame = pairs(60, 60).frame
    frame = frame.with_columns(source=pl.Series(["a"] * 60 + ["b"] * 60))
    before = PairRows.whole(frame)
    facts, warnings = watch(before, before.where(np.arange(120) < 80))
    assert facts["bias"]["source"] == {"a": [0.5, 0.75], "b": [0.5, 0.25]}
    assert "the source 'a' goes from 50% to 75% of the pairs" in warnings
    assert facts["bias"]["acts_on"] == 40


def test_weights_count_as_pairs_do() -> None:
    before = PairRows.whole(pairs(60, 60).frame)
    weighed = before.adding(pl.DataFrame({"w": [1.0] * 60 + [0.25] * 60}))
    facts, warnings = watch(before, weighed, "w")
    assert facts["bias"]["longer"] == [0.5, 0.8]
    assert facts["bias"]["acts_on"] == 60
    assert facts["bias"]["length_auroc"] == pytest.approx(0.0)
    assert any("told by length alone" in text for text in warnings)
