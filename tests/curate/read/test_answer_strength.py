"""Scores of both answers beside a pair become its strength."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate import read_pairs
from curate.data.answer_scores import score_columns
from curate.read.pairs import Pairs
from curate.steps.relabel import flip_labels
from tests.helpers import read_rows

CONVERSATION = {
    "prompt": "q",
    "chosen": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
    "rejected": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "b"}],
}
TEXTS = {"prompt": "q", "chosen": "a", "rejected": "b"}


def read(folder: Path, rows: list[dict[str, Any]]) -> Pairs:
    path = folder / "data.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return read_pairs(path)


@pytest.mark.parametrize("row", [TEXTS, CONVERSATION], ids=["texts", "messages"])
@pytest.mark.parametrize(
    ("chosen", "rejected"),
    [
        ("score_chosen", "score_rejected"),
        ("chosen_score", "rejected_score"),
        ("chosen-rating", "rejected-rating"),
        ("chosen_avg_rating", "rejected_avg_rating"),
        ("rejected_reward", "chosen_reward"),
    ],
)
def test_the_gap_of_both_scores_is_the_strength(
    tmp_path: Path, row: dict[str, Any], chosen: str, rejected: str
) -> None:
    pairs = read(tmp_path, [{**row, chosen: 8.5, rejected: 7.0}, {**row, chosen: 5, rejected: "6"}])
    sign = -1.0 if chosen.startswith("rejected") else 1.0
    assert pairs.frame["strength"].to_list() == [1.5 * sign, -1.0 * sign]
    assert "the strength of 2 pairs is" in pairs.notes[0]
    # The scores stay where conditions can read them.
    assert json.loads(pairs.frame["extra"][0]) == {chosen: 8.5, rejected: 7.0}


def test_named_answers_and_tables_have_scores_too(tmp_path: Path) -> None:
    row = {"question": "q", "chosen_response": "a", "rejected_response": "b"}
    scores = {"chosen_reward": 0.25, "rejected_reward": 1.0}
    assert read(tmp_path, [row | scores]).frame["strength"].to_list() == [-0.75]
    path = tmp_path / "data.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*TEXTS, "score_chosen", "score_rejected"])
        writer.writeheader()
        writer.writerow({**TEXTS, "score_chosen": "2", "score_rejected": "0.5"})
    assert read_pairs(path).frame["strength"].to_list() == [1.5]


def test_a_conversation_with_two_answers_is_no_training_row_of_swift(tmp_path: Path) -> None:
    row = {
        "tools": ['{"name":"f","parameters":{}}'],
        "messages": [{"role": "user", "content": "call"}],
        "chosen_response": {"role": "assistant", "content": "<TOOLCALL>[]</TOOLCALL>"},
        "rejected_response": {"role": "assistant", "content": "I cannot"},
        "chosen_reward": 3.0,
        "rejected_reward": 1.0,
    }
    pairs = read(tmp_path, [row])
    assert pairs.format == "named_answers"
    first = pairs.frame.row(0, named=True)
    texts = [first[side][-1]["content"] for side in ("prompt", "chosen", "rejected")]
    assert texts == ["call", "<TOOLCALL>[]</TOOLCALL>", "I cannot"]
    assert first["strength"] == 2.0
    assert json.loads(json.loads(first["tools"])[0])["name"] == "f"
    del row["chosen_response"]
    swift = {**row, "messages": [*row["messages"], {"role": "assistant", "content": "yes"}]}
    assert read(tmp_path, [swift]).format == "swift"


@pytest.mark.parametrize(
    ("first", "second"), [("score_a", "score_b"), ("response_a_score", "response_b_score")]
)
def test_scores_of_two_slots_are_turned_to_the_preferred_answer(
    tmp_path: Path, first: str, second: str
) -> None:
    row = {"prompt": "q", "response_a": "a", "response_b": "b", first: 3.0, second: 1.0}
    pairs = read(tmp_path, [{**row, "winner": w} for w in ("A", "B", "tie")])
    assert pairs.frame["strength"].to_list() == [2.0, -2.0, None]
    assert "signed for the preferred answer" in pairs.notes[0]


@pytest.mark.parametrize("missing", [None, "n/a", float("nan")])
def test_a_pair_without_a_number_has_no_strength(tmp_path: Path, missing: Any) -> None:
    rows = [{**TEXTS, "score_chosen": 1.0, "score_rejected": s} for s in (0.5, missing)]
    pairs = read(tmp_path, rows)
    assert pairs.frame["strength"].to_list() == [0.5, None]
    assert "the strength of 1 pairs" in pairs.notes[0]


def test_a_strength_that_the_format_reads_stays(tmp_path: Path) -> None:
    row = {"prompt": "q", "responses": ["a", "b"], "scores": [3, 1], "score_chosen": 9}
    pairs = read(tmp_path, [{**row, "score_rejected": 0}])
    assert pairs.frame["strength"].to_list() == [2.0]


def test_a_column_of_margins_is_the_strength(tmp_path: Path) -> None:
    pairs = read(tmp_path, [{**TEXTS, "margin": 1.5}, {**TEXTS, "margin": -0.5}])
    assert pairs.frame["strength"].to_list() == [1.5, -0.5]
    # Scores of both answers go before it.
    row = {**TEXTS, "margin": 9.0, "score_chosen": 1, "score_rejected": 0}
    assert read(tmp_path, [row]).frame["strength"].to_list() == [1.0]


def test_a_flip_turns_the_strength(tmp_path: Path) -> None:
    rows = [{**TEXTS, "score_chosen": 1, "score_rejected": s} for s in (3, 4)]
    pairs = read(tmp_path, rows).frame
    flipped = flip_labels(pairs, pl.Series([True, False]))
    assert flipped["strength"].to_list() == [2.0, -3.0]


def test_columns_of_one_side_or_of_other_words_are_no_scores() -> None:
    assert score_columns(["score_chosen", "scores", "rejected"]) is None
    assert score_columns(["chosen_model", "rejected_model"]) is None
    assert score_columns(["chosen_rank", "rejected_rank"]) is None


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize("key", ["reward", "score"])
def test_numbers_in_the_messages_of_both_answers(tmp_path: Path, kind: str, key: str) -> None:
    rows = [
        {
            "messages": [{"role": "user", "content": f"q{i}"}],
            "chosen_response": {"role": "assistant", "content": "yes", key: 0.75 + i},
            "rejected_response": {"role": "assistant", "content": "no", key: 0.25},
        }
        for i in range(2)
    ]
    pairs = read_rows(tmp_path, rows, kind)
    assert pairs.frame["strength"].to_list() == [0.5, 1.5]
    assert f"the strength of 2 pairs is the gap of '{key}' in the messages" in pairs.notes
