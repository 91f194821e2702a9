"""Drop codes: the cause of each drop, and that the docs name every code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate.steps.context import Context
from curate.steps.entries import filter_names
from curate.steps.registry import build_step, filter_class
from tests.helpers import numbered_pairs, pairs_of

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "filters.md"
SCORES = numbered_pairs(4).with_columns(
    pl.Series("s.x", [3.0, 1.0, None, 2.0]),
    pl.Series("s.y", [1.0, 1.0, 1.0, 5.0]),
    pl.Series("s.p", [0.9, 0.1, None, 0.8]),
    pl.Series("s.z", [0.0, 0.0, 0.0, 0.0]),
)
BASE = {"prompt": "p", "chosen": "a", "rejected": "b"}


def dropped_codes(name: str, pairs: pl.DataFrame, **parameters: Any) -> list[str | None]:
    """Return the code of each dropped pair, and None for each kept one."""
    cls = filter_class(name)
    result = build_step(cls, parameters, "filters.0").apply(pairs, Context())
    code = result.code
    if code is None:
        code = pl.Series([cls.all_drop_codes()[0]] * len(pairs))
    return [None if keep else c for keep, c in zip(result.keep.fill_null(False), code, strict=True)]


CASES: list[tuple[str, dict[str, Any], list[str | None]]] = [
    (
        "threshold",
        {"column": "s.x", "min": 1.5, "max": 2.5},
        ["threshold_max", "threshold_min", "threshold_missing", None],
    ),
    (
        "quantile",
        {"column": "s.x", "keep": 0.34},
        [None, "quantile_rank", "quantile_missing", "quantile_rank"],
    ),
    (
        "topsis",
        {"criteria": {"s.x": "max"}, "keep": 0.34, "missing": "drop"},
        [None, "topsis_rank", "topsis_missing", "topsis_rank"],
    ),
    (
        "pareto",
        {"criteria": {"s.x": "max", "s.z": "max"}, "fronts": 1},
        [None, "pareto_front", "pareto_missing", "pareto_front"],
    ),
    (
        "fifa",
        {"margin": "s.x", "quality": None, "diversity": None, "keep": 0.34},
        [None, "fifa_rank", "fifa_missing", "fifa_rank"],
    ),
    (
        "bees",
        {"margins": ["s.x"], "keep": 0.34},
        [None, "bees_rank", "bees_missing", "bees_rank"],
    ),
    (
        "delta",
        {"chosen": "s.x", "rejected": "s.y", "min_gap": -1, "max_level": 1.5},
        ["delta_level", None, "delta_missing", "delta_gap"],
    ),
    (
        "challenging",
        {"difficulty": "s.x", "doubt": "s.y", "difficult": 0.67, "certain": 0.67},
        [None, "challenging_difficulty", "challenging_missing", "challenging_certainty"],
    ),
    (
        "expression",
        {"keep": "`s.x` > 1.5"},
        [None, "expression_false", "expression_missing", None],
    ),
    ("expression", {"drop": "`s.x` > 1.5"}, ["expression_true", None, None, "expression_true"]),
    ("drop_wrong", {"column": "s.p", "below": 0.5}, [None, "wrong_label", None, None]),
    ("per_group", {"by": "s.y", "keep": 2}, [None, None, "per_group_rank", None]),
    ("sample", {"rows": 0}, ["not_sampled"] * 4),
]


@pytest.mark.parametrize(("name", "parameters", "expected"), CASES)
def test_the_code_names_the_cause(
    name: str, parameters: dict[str, Any], expected: list[str | None]
) -> None:
    assert dropped_codes(name, SCORES, **parameters) == expected


def test_codes_of_filters_by_texts() -> None:
    opposite = {**BASE, "chosen": "b", "rejected": "a"}
    pairs = pairs_of([BASE, BASE, {**BASE, "prompt": "q"}])
    assert dropped_codes("exact_duplicates", pairs) == [None, "exact_duplicate", None]
    contradicted = dropped_codes(
        "exact_duplicates", pairs_of([BASE, opposite]), contradictions="drop"
    )
    assert contradicted == ["contradiction", "contradiction"]
    assert dropped_codes("ties", pairs_of([BASE, {**BASE, "is_tie": True}])) == [None, "tie"]
    token = pairs_of([{**BASE, "chosen": "a<|im_end|>"}, BASE])
    assert dropped_codes("artefacts", token) == ["artefact", None]
    assert dropped_codes("artefacts", token, action="balance") == ["artefact_balance", None]


def test_codes_of_a_vote() -> None:
    def vote(name: str, won: str, lost: str) -> dict[str, Any]:
        return {"prompt": "p", "chosen": won, "rejected": lost, "annotator": name}

    pairs = pairs_of([vote("x", "a", "b"), vote("y", "a", "b")])
    assert dropped_codes("consensus", pairs) == [None, "consensus_merged"]
    even = pairs_of([vote("x", "a", "b"), vote("y", "b", "a")])
    assert dropped_codes("consensus", even, even="drop") == ["consensus_even"] * 2


def test_codes_of_tags() -> None:
    tags = numbered_pairs(3).with_columns(pl.Series("t.names", ['["x"]', '["x"]', None]))
    codes = dropped_codes("tag_coverage", tags, column="t.names", keep=0.5, rare=1)
    assert codes == [None, "tag_coverage", "tag_coverage_missing"]


def test_the_docs_name_every_code() -> None:
    section = DOCS.read_text().split("## Drop codes")[1]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE))
    for name in filter_names():
        cls = filter_class(name)
        # A filter that relabels or weighs drops nothing, and declares no code.
        if cls.purpose == "relabel or weight":
            assert not cls.drop_codes
            continue
        codes = re.findall(r"`(\w+)`", rows[name])
        assert codes == list(cls.all_drop_codes()), name
