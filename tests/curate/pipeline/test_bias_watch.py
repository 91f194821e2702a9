"""A filter by a score tells what it does to length, refusals and lists."""

from __future__ import annotations

from typing import Any

import pytest

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


def test_labels_that_are_turned_round_count() -> None:
    flip = {"type": "flip_where", "condition": "`lengths.difference` < 0"}
    facts, warnings = told([flip], pairs(60, 60))
    assert facts["bias"]["longer"] == [0.5, 1.0]
    assert any("told by length alone (AUROC 1.00)" in text for text in warnings)


def test_filters_that_read_no_score_are_not_watched() -> None:
    facts, _ = told([{"type": "sample", "rows": 50}], pairs(60, 60))
    assert "bias" not in facts
