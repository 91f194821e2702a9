"""Guesses of what columns hold, for files of shapes that people make by hand."""

from __future__ import annotations

from typing import Any

import pytest

from curate import CurateError
from curate.read.column_guess import guess_columns
from curate.read.formats import detect_format
from curate.read.formats.columns import ColumnMapping

SHAPES: list[tuple[list[dict[str, Any]], dict[str, str]]] = [
    (
        [{"question": "q", "answer_a": "x", "answer_b": "y", "winner": "A>B"}],
        {"prompt": "question", "first": "answer_a", "second": "answer_b", "label": "winner"},
    ),
    (
        [{"userQuery": "q", "goodAnswer": "x", "badAnswer": "y", "subset": "s"}],
        {
            "prompt": "userQuery",
            "chosen": "goodAnswer",
            "rejected": "badAnswer",
            "source": "subset",
        },
    ),
    (
        [{"instruction": "q", "response1": "x", "response2": "y", "label": 1, "worker_id": "w"}],
        {
            "prompt": "instruction",
            "first": "response1",
            "second": "response2",
            "label": "label",
            "annotator": "worker_id",
        },
    ),
    (
        [{"ask": "q", "left text": "x", "right text": "y", "choice": "left"}],
        {"prompt": "ask", "first": "left text", "second": "right text", "label": "choice"},
    ),
    (
        [{"post": "q", "summary_l": "y", "summary_w": "x"}],
        {"prompt": "post", "chosen": "summary_w", "rejected": "summary_l"},
    ),
    (
        [{"q": "q", "response_1": "x", "response_2": "y", "score_1": 4, "score_2": 2.5}],
        {
            "prompt": "q",
            "first": "response_1",
            "second": "response_2",
            "first_score": "score_1",
            "second_score": "score_2",
        },
    ),
    (
        [
            {
                "prompt": "q",
                "model_a": "m",
                "model_b": "n",
                "answer_a": "x",
                "answer_b": "y",
                "winner": "n",
            }
        ],
        {
            "prompt": "prompt",
            "first": "answer_a",
            "second": "answer_b",
            "label": "winner",
            "first_model": "model_a",
            "second_model": "model_b",
        },
    ),
    ([{"a": 1, "b": 2}], {}),
]


@pytest.mark.parametrize(("rows", "columns"), SHAPES)
def test_names_of_every_kind(rows: list[dict[str, Any]], columns: dict[str, str]) -> None:
    guess = guess_columns(rows)
    assert guess.columns == columns
    if guess.is_complete:
        # What is guessed is a mapping as it stands.
        ColumnMapping.model_validate(guess.columns | guess.labels)
        assert set(guess.remaining_columns).isdisjoint(columns.values())


@pytest.mark.parametrize(
    ("values", "first", "second", "tie", "unsure"),
    [
        (["A>B", "B>A", "tie"], ["A>B"], ["B>A"], ["tie"], False),
        (
            ["model_a", "model_b", "tie (bothbad)"],
            ["model_a"],
            ["model_b"],
            ["tie (bothbad)"],
            False,
        ),
        (["x", "y"], ["x"], ["y"], [], False),
        ([1, 0], [1], [0], [], True),
        (["X is better", "Y is better", "tie"], ["X is better"], ["Y is better"], ["tie"], True),
        ([1, 2, 0], [1], [2], [], True),
        (["yes", "no"], [], [], [], True),
    ],
)
def test_what_values_of_a_label_mean(
    values: list[Any], first: list[Any], second: list[Any], tie: list[Any], unsure: bool
) -> None:
    rows = [{"q": "p", "x": "one", "y": "two", "winner": v} for v in values]
    guess = guess_columns(rows)
    assert guess.labels == {"first_wins": first, "second_wins": second, "tie": tie}
    assert ("label" in guess.unsure_keys) == unsure


def test_slots_that_count_from_zero() -> None:
    rows = [{"answer_0": "x", "answer_1": "y", "winner": v} for v in (0, 1)]
    assert guess_columns(rows).labels == {"first_wins": [0], "second_wins": [1], "tie": []}


@pytest.mark.parametrize(
    ("row", "hint"),
    [
        (
            {"prompt": "p", "chosen": "a", "rejekted": "b"},
            "but for the column 'rejected', which is missing (is it 'rejekted'?)",
        ),
        (
            {"instruction": "p", "generations": "text", "scores": [1, 2]},
            "'listwise', but for the column 'responses', which is missing",
        ),
        (
            {"instruction": "p", "generations": ["a", "b"]},
            "'listwise', but for the column 'scores', which is missing",
        ),
    ],
)
def test_a_format_that_nearly_fits_is_named(row: dict[str, Any], hint: str) -> None:
    with pytest.raises(CurateError) as caught:
        detect_format([row], "a.jsonl")
    text = str(caught.value)
    assert hint in text
    assert text.index("It is nearly") < text.index("one of the formats")
    assert "--columns" in text
