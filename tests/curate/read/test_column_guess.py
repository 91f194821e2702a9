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
    assert "columns=" in text


_LISTED = ["a", "b"]


@pytest.mark.parametrize(
    ("row", "option"),
    [
        (
            {"question": "q", "pos_answer": {"answer": "a"}, "neg_answer": {"answer": "b"}},
            "prompt=question,chosen=pos_answer.answer,rejected=neg_answer.answer",
        ),
        (
            {"prompt": "q", "sampled_responses": _LISTED, "rm_scores": [1.0, 2.0]},
            "prompt=prompt,responses=sampled_responses,scores=rm_scores",
        ),
        (
            {"prompt": "q", "outputs": [{"text": t, "rank": i} for i, t in enumerate(_LISTED)]},
            "prompt=prompt,responses=outputs[].text,ranks=outputs[].rank",
        ),
        (
            {"q": "x", "answer": [[{"role": "user", "content": "q"}]] * 2},
            "responses=answer",
        ),
        (
            {"prompt": "q", "answer_a": "a", "answer_b": "b", "rater1": "A", "rater2": "B"},
            "prompt=prompt,first=answer_a,second=answer_b,labels=rater1|rater2,"
            "first_wins=A,second_wins=B",
        ),
        ({"prompt": "q", "outputs": _LISTED}, "prompt=prompt"),
    ],
)
def test_lists_votes_and_nested_fields(row: dict[str, Any], option: str) -> None:
    assert guess_columns([row] * 3).as_option() == option


@pytest.mark.parametrize(
    ("values", "first", "second", "tie"),
    [
        (range(1, 8), [1, 2, 3], [5, 6, 7], [4]),
        (range(1, 7), [1, 2, 3], [4, 5, 6], []),
        (range(-3, 4), [-3, -2, -1], [1, 2, 3], [0]),
        (["1", "4", "7"], ["1", "2", "3"], ["5", "6", "7"], ["4"]),
        ([1, 2, 3], [1], [2], []),
    ],
)
def test_scales_are_split_at_their_middle(
    values: Any, first: list[Any], second: list[Any], tie: list[Any]
) -> None:
    rows = [
        {"prompt": "q", "answer_a": "a", "answer_b": "b", "preference": value} for value in values
    ]
    guess = guess_columns(rows)
    assert guess.labels == {"first_wins": first, "second_wins": second, "tie": tie}
    assert "label" in guess.unsure_keys


@pytest.mark.parametrize("name", ["rating", "overall_score", "likert"])
@pytest.mark.parametrize("as_text", [True, False])
def test_a_scale_is_completed_by_the_steps_that_the_first_rows_lack(
    name: str, as_text: bool
) -> None:
    kind = str if as_text else int
    rows = [{"prompt": "q", "resp1": "x", "resp2": "y", name: kind(n)} for n in (1, 7, 4, 2)]
    guess = guess_columns(rows)
    assert guess.columns["label"] == name
    steps = {"first_wins": (1, 2, 3), "second_wins": (5, 6, 7), "tie": (4,)}
    assert guess.labels == {key: [kind(n) for n in numbers] for key, numbers in steps.items()}
    assert guess.unsure_keys == {"label"}
