"""Labels of KTO in every spelling, lists of answers, and distilabel's generations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curate.errors import CurateError
from curate.read.pairs import Pairs
from tests.helpers import read_rows as read

KINDS = ("jsonl", "parquet")


def answers(pairs: Pairs) -> list[tuple[str, str]]:
    rows = pairs.frame.select("chosen", "rejected").rows()
    return [(chosen[-1]["content"], rejected[-1]["content"]) for chosen, rejected in rows]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (True, False),
        ("true", "false"),
        ("True", "FALSE"),
        (1, 0),
        (1.0, 0.0),
        (1, -1),
        ("1", "0"),
        ("thumbs up", "thumbs down"),
        ("thumbs-up", "thumbs-down"),
        ("👍", "👎"),
        ("good", "bad"),
        ("Desirable", "Undesirable"),
        ("chosen", "rejected"),
    ],
)
def test_labels_of_kto(good: Any, bad: Any, kind: str, tmp_path: Path) -> None:
    rows = [
        {"prompt": "p", "completion": "no", "label": bad},
        {"prompt": "p", "completion": "yes", "label": good},
    ]
    pairs = read(tmp_path, rows, kind)
    assert (pairs.format, answers(pairs)) == ("unpaired", [("yes", "no")])


def test_a_label_that_is_neither_is_an_error_with_its_value(tmp_path: Path) -> None:
    labels = ["true", "false", "maybe"]
    rows = [{"prompt": "p", "completion": str(i), "label": v} for i, v in enumerate(labels)]
    with pytest.raises(CurateError, match="the label is 'maybe'; expected true or false"):
        read(tmp_path, rows)
    with pytest.raises(CurateError, match="not recognised"):
        read(tmp_path, [row | {"label": "maybe"} for row in rows])


@pytest.mark.parametrize("kind", KINDS)
def test_lists_of_texts(kind: str, tmp_path: Path) -> None:
    rows = [{"prompt": f"p{i}", "chosen": ["a", "b"], "rejected": ["x", "y"]} for i in range(40)]
    one = read(tmp_path, rows, kind)
    assert one.format == "answer_lists"
    assert len(one) == 40
    # One of each is drawn: every one of the four pairs occurs.
    assert set(answers(one)) == {("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")}
    every = read(tmp_path, rows[:1], kind, ranking={"pairs": "all"})
    assert sorted(answers(every)) == [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]
    assert not every.frame["is_tie"].any()


@pytest.mark.parametrize("kind", KINDS)
def test_one_good_answer_and_several_bad_ones(kind: str, tmp_path: Path) -> None:
    rows = [{"prompt": "p", "chosen": "a", "rejected": ["x", "y"], "system": "Be kind."}]
    pairs = read(tmp_path, rows, kind, ranking={"pairs": "all"})
    assert sorted(answers(pairs)) == [("a", "x"), ("a", "y")]
    assert pairs.frame["prompt"][0][0]["content"] == "Be kind."


def test_lists_of_conversations(tmp_path: Path) -> None:
    def talk(text: str) -> list[dict[str, Any]]:
        call = {"function": {"name": "f", "arguments": "{}"}}
        return [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "assistant", "content": text},
        ]

    rows = [{"prompt": "p", "chosen": [talk("a"), talk("b")], "rejected": [talk("x")]}]
    pairs = read(tmp_path, rows, ranking={"pairs": "all"})
    assert sorted(answers(pairs)) == [("a", "x"), ("b", "x")]
    assert pairs.frame["chosen"][0][0]["more"] is not None
    # One conversation is no list of answers.
    single = read(tmp_path, [{"prompt": "p", "chosen": talk("a"), "rejected": talk("x")}])
    assert (single.format, answers(single)) == ("trl", [("a", "x")])


def test_lists_without_a_partner_and_of_other_things(tmp_path: Path) -> None:
    good = {"prompt": "p", "chosen": ["a"], "rejected": ["x"]}
    rows = [good, good | {"rejected": []}, good | {"chosen": [3]}, good | {"chosen": None}]
    pairs = read(tmp_path, rows, on_error="skip")
    assert answers(pairs) == [("a", "x")]
    assert pairs.rejected["row"].to_list() == [3, 2, 4]
    assert "expected texts, or conversations" in pairs.rejected["reason"][0]


@pytest.mark.parametrize("kind", KINDS)
def test_generations_of_distilabel(kind: str, tmp_path: Path) -> None:
    rows = [
        {
            "instruction": "hi",
            "generations": ["a", "b", "c"],
            "ratings": [4.0, None, 2.0],
            "model_name": ["m", "n", "o"],
        },
        {"instruction": "bye", "generations": ["a", "b"], "ratings": [3.0]},
        {"instruction": "so", "generations": ["a", None], "ratings": [3.0, 1.0]},
        {"instruction": "no", "generations": ["a", "b"], "ratings": None},
        {"instruction": "ok", "generations": ["a", "b"], "ratings": [1, 5]},
    ]
    pairs = read(tmp_path, rows, kind)
    assert (pairs.format, answers(pairs)) == ("listwise", [("a", "c"), ("b", "a")])
    assert pairs.rejected["row"].to_list() == [2, 3, 4]
    assert pairs.rejected["reason"][0] == "2 answers and 1 numbers: they cannot be matched"
    assert pairs.frame["prompt"][0][0]["content"] == "hi"
    assert '"model_name":["m","n","o"]' in pairs.frame["extra"][0]
    assert pairs.frame["strength"].to_list() == [2.0, 4.0]


@pytest.mark.parametrize("numbers", [[4.0, 2.0], [4.0, 3.0, 2.0, 1.0]])
def test_lists_of_different_lengths_are_not_put_side_by_side(
    numbers: list[float], tmp_path: Path
) -> None:
    """The missing number may be that of any answer."""
    complete_row = {"prompt": "p", "responses": ["a", "b", "c"], "scores": [1.0, 2.0, 3.0]}
    pairs = read(tmp_path, [complete_row, {**complete_row, "scores": numbers}])
    assert answers(pairs) == [("c", "a")]
    assert pairs.rejected["row"].to_list() == [2]
    assert pairs.rejected["reason"][0].startswith(f"3 answers and {len(numbers)} numbers")


def test_a_question_and_a_system_text_before_a_ranking(tmp_path: Path) -> None:
    row = {"question": "q", "system": "Be kind.", "answers": ["a", "b"], "ranks": [2, 1]}
    pairs = read(tmp_path, [row])
    assert answers(pairs) == [("b", "a")]
    assert [m["content"] for m in pairs.frame["prompt"][0]] == ["Be kind.", "q"]
