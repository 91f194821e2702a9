from __future__ import annotations

import json

import numpy as np
import pytest

from curate.auditing.style import audit_style
from curate.steps.context import Context
from tests.helpers import numbered_pairs, pairs_of


def styled(count: int, list_effect: float, length_effect: float, seed: int = 0):  # type: ignore[no-untyped-def]
    """Answers with lists and without, long and short; votes by known effects of both."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        lists, words = rng.integers(0, 5, 2), rng.integers(10, 80, 2)
        texts = [
            "\n".join(["- item"] * n + ["word " * w]) for n, w in zip(lists, words, strict=True)
        ]
        sizes = [np.log1p(len(t)) for t in texts]
        odds = list_effect * (np.log1p(lists[0]) - np.log1p(lists[1]))
        odds += length_effect * (sizes[0] - sizes[1])
        wins = rng.random() < 1 / (1 + np.exp(-odds))
        first, second = (0, 1) if wins else (1, 0)
        extra = json.dumps({"gap": float(rng.normal())})
        rows.append(
            {"prompt": f"p{i}", "chosen": texts[first], "rejected": texts[second], "extra": extra}
        )
    return pairs_of(rows)


def test_effects_of_two_traits_are_told_apart() -> None:
    """Lists are preferred and length is disliked, though lists make answers longer."""
    findings = audit_style(styled(3000, 1.0, -0.8), Context(), ("gap",))
    assert findings is not None
    rows = {row.trait: row for row in findings.coefficients}
    assert set(rows) == {"length", "list items", "extra.gap"}
    assert rows["list items"].low > 0
    assert rows["length"].high < 0
    assert rows["extra.gap"].low < 0 < rows["extra.gap"].high
    size = np.sqrt(np.mean(np.square(np.log1p([0, 1, 2, 3, 4])[:, None] - np.log1p(range(5)))))
    assert rows["list items"].coefficient == pytest.approx(1.0 * size, abs=0.12)
    assert findings.explained > findings.explained_by_length


def test_where_style_says_nothing_it_explains_nothing() -> None:
    findings = audit_style(styled(3000, 0.0, 0.0), Context())
    assert findings is not None
    assert abs(findings.explained) < 0.01
    assert sum(row.p_value < 0.01 for row in findings.coefficients) <= 1


def test_refusals_and_citations_are_seen() -> None:
    rows = []
    for i in range(200):
        cited = f"It is so [1], see https://a.b, number {i}" + " and more" * (i % 7)
        refused = f"I\u2019m sorry, but I can't do {i}" + " indeed" * (i % 5)
        sides = (cited, refused) if i % 5 else (refused, cited)
        rows.append({"prompt": f"p{i}", "chosen": sides[0], "rejected": sides[1]})
    findings = audit_style(pairs_of(rows), Context())
    assert findings is not None
    assert {"citations", "refusal"} <= {row.trait for row in findings.coefficients}


def test_what_always_wins_has_no_coefficient() -> None:
    rows = [
        {
            "prompt": f"p{i}",
            "chosen": f"so it is! {i}",
            "rejected": f"so it is {i} " + "x" * (i % 4),
        }
        for i in range(120)
    ]
    findings = audit_style(pairs_of(rows), Context())
    assert findings is not None
    assert [row.trait for row in findings.coefficients] == ["length"]


def test_too_few_pairs_say_nothing() -> None:
    assert audit_style(numbered_pairs(20), Context()) is None
