"""Mappings reach nested fields, lists of answers, several votes and roles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from curate import CurateError
from curate.cli.inputs import parse_columns
from curate.read.formats.columns import ColumnMapping
from tests.helpers import published, read_rows, turn

KINDS = pytest.mark.parametrize("kind", ["jsonl", "parquet"])


def answers(frame: Any) -> list[tuple[str, str]]:
    sides = (frame[side].list.first().struct.field("content") for side in ("chosen", "rejected"))
    return list(zip(*(side.to_list() for side in sides), strict=True))


@KINDS
@pytest.mark.parametrize("encode", [json.dumps, lambda value: value], ids=["text", "object"])
def test_fields_of_objects_are_answers(tmp_path: Path, kind: str, encode: Any) -> None:
    row = {
        "q": "why?",
        "pos": encode({"answer": "good", "note": "n"}),
        "neg": encode({"answer": "bad", "note": "m"}),
    }
    columns = {"prompt": "q", "chosen": "pos.answer", "rejected": "neg.answer"}
    frame = read_rows(tmp_path, [row] * 2, kind, columns=columns).frame
    assert answers(frame) == [("good", "bad")] * 2
    assert frame["prompt"][0].to_list() == turn("why?", "user")
    assert json.loads(frame["extra"][0])["pos"] == row["pos"]


@KINDS
def test_items_of_lists_are_answers_and_numbers(tmp_path: Path, kind: str) -> None:
    row = {
        "q": [{"text": "why?"}],
        "out": [{"text": "one", "meta": {"votes": 3}}, {"text": "two", "meta": {"votes": 5}}],
    }
    columns = {
        "prompt": "q[0].text",
        "first": "out[0].text",
        "second": "out[1].text",
        "first_score": "out[0].meta.votes",
        "second_score": "out[-1].meta.votes",
    }
    frame = read_rows(tmp_path, [row] * 2, kind, columns=columns).frame
    assert answers(frame) == [("two", "one")] * 2
    assert frame["strength"].to_list() == [2.0, 2.0]


def test_a_column_whose_name_looks_like_a_path_is_a_column(tmp_path: Path) -> None:
    row = {"a.b": "why?", "c[0]": "good", "d": "bad"}
    columns = {"prompt": "a.b", "chosen": "c[0]", "rejected": "d"}
    assert answers(read_rows(tmp_path, [row], columns=columns).frame) == [("good", "bad")]


def test_a_field_that_is_missing_or_no_text_is_malformed(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"q": "p", "pos": {"answer": value}, "neg": {"answer": "bad"}}
        for value in ("good", None, 5)
    ]
    columns = {"prompt": "q", "chosen": "pos.answer", "rejected": "neg.answer"}
    pairs = read_rows(tmp_path, rows, columns=columns, on_error="skip")
    assert answers(pairs.frame) == [("good", "bad")]
    missing, number = pairs.rejected["reason"].to_list()
    assert missing.startswith("the chosen answer is missing")
    assert number == "'pos.answer' is 5; expected text or messages"


def test_a_column_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    columns = {"prompt": "q", "chosen": "pos.answer", "rejected": "bad"}
    with pytest.raises(CurateError, match="not of the format 'columns'"):
        read_rows(tmp_path, [{"q": "p", "good": "a", "bad": "b"}], columns=columns)


RANKED = {
    "scores": {"answers": ["mid", "best", "worst"], "rm": [0.5, 0.9, 0.1]},
    "ranks": {"answers": ["mid", "best", "worst"], "rm": [2, 1, 3]},
    "texts": {"answers": ["mid", "best", "worst"], "rm": ["0.5", "0.9", "0.1"]},
    "messages": {
        "answers": [[published(text)[0]] for text in ("mid", "best", "worst")],
        "rm": [0.5, 0.9, 0.1],
    },
}


@KINDS
@pytest.mark.parametrize("name", RANKED)
def test_lists_of_answers_with_numbers(tmp_path: Path, kind: str, name: str) -> None:
    key = "ranks" if name == "ranks" else "scores"
    columns = {"prompt": "q", "responses": "answers", key: "rm"}
    rows = [{"q": f"p{i}"} | RANKED[name] for i in range(2)]
    frame = read_rows(tmp_path, rows, kind, columns=columns).frame
    assert answers(frame) == [("best", "worst")] * 2
    every = read_rows(tmp_path, rows, kind, columns=columns, ranking={"pairs": "all"})
    assert len(every) == 6


@KINDS
def test_lists_of_objects_keep_what_else_is_said(tmp_path: Path, kind: str) -> None:
    out = [{"t": text, "n": n, "model": text.upper()} for text, n in (("bad", 1), ("good", 2))]
    columns = {"prompt": "q", "responses": "out[].t", "scores": "out[].n"}
    frame = read_rows(tmp_path, [{"q": "p", "out": out}] * 2, kind, columns=columns).frame
    assert answers(frame) == [("good", "bad")] * 2
    assert json.loads(frame["extra"][0])["chosen_answer"] == {"n": 2, "model": "GOOD"}


def test_without_numbers_the_first_answer_is_the_best(tmp_path: Path) -> None:
    prompt = published("why?", "user")
    rows = [{"out": [prompt + published("good"), prompt + published("bad")]}]
    pairs = read_rows(tmp_path, rows, columns={"responses": "out"})
    assert answers(pairs.frame) == [("good", "bad")]
    assert pairs.frame["prompt"][0].to_list() == turn("why?", "user")
    assert any("their first answer counts as the best" in note for note in pairs.notes)


def test_lists_of_other_lengths_are_malformed(tmp_path: Path) -> None:
    rows = [{"q": "p", "out": ["a", "b"], "rm": [1.0, 2.0][:n]} for n in (2, 1)]
    columns = {"prompt": "q", "responses": "out", "scores": "rm"}
    pairs = read_rows(tmp_path, rows, columns=columns, on_error="skip")
    assert len(pairs) == 1
    assert pairs.rejected["reason"].to_list() == ["2 answers and 1 numbers: they cannot be matched"]


@KINDS
def test_each_vote_makes_a_pair(tmp_path: Path, kind: str) -> None:
    rows = [
        {"q": "p", "a": "x", "b": "y", "g1": "A", "g2": "B", "g3": None},
        {"q": "p2", "a": "x", "b": "y", "g1": None, "g2": None, "g3": None},
    ]
    columns = {
        "prompt": "q",
        "first": "a",
        "second": "b",
        "labels": ["g1", "g2", "g3"],
        "first_wins": ["A"],
        "second_wins": ["B"],
    }
    pairs = read_rows(tmp_path, rows, kind, columns=columns)
    assert answers(pairs.frame) == [("x", "y"), ("y", "x")]
    assert pairs.frame["annotator"].to_list() == ["g1", "g2"]
    assert pairs.rejected["reason"].to_list() == ["no vote was cast"]


def test_roles_by_the_names_of_speakers(tmp_path: Path) -> None:
    talk = [{"role": "Patient", "content": "ill"}]
    row = {
        side: [*talk, {"role": "Doctor", "content": text}]
        for side, text in (("chosen", "rest"), ("rejected", "run"))
    }
    columns = {"roles": {"Patient": "user", "Doctor": "assistant"}}
    mapped = read_rows(
        tmp_path, [row], columns=columns | {"chosen": "chosen", "rejected": "rejected"}
    )
    assert mapped.frame["prompt"][0].to_list() == turn("ill", "user")
    assert mapped.frame["chosen"][0].to_list() == turn("rest")


@pytest.mark.parametrize(
    "mapping",
    [
        {"responses": "a", "scores": "b", "ranks": "c"},
        {"responses": "a", "chosen": "b", "rejected": "c"},
        {"first": "a", "second": "b", "label": "c", "labels": ["d"]},
        {"first": "a", "second": "b", "labels": ["c"], "annotator": "d"},
        {"scores": "a"},
    ],
)
def test_contradictory_mappings_are_refused(mapping: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ColumnMapping.model_validate(mapping)


def test_lists_and_roles_on_the_command_line() -> None:
    mapping = parse_columns("first=a,second=b,labels=g1|g2,roles=Human:user|Bot:assistant")
    assert mapping.labels == ["g1", "g2"]
    assert mapping.roles == {"Human": "user", "Bot": "assistant"}
