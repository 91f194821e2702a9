"""Columns `source`, `subset`, `dataset` and `annotator` are a pair's source and annotator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curate import read_pairs
from tests.curate.read.public_rows import FORMS
from tests.helpers import published, read_rows

KINDS = pytest.mark.parametrize("kind", ["jsonl", "parquet"])
COUNT = 8
TRL = {"chosen": published("good"), "rejected": published("bad")}


def rows(answers: dict[str, Any], **columns: Any) -> list[dict[str, Any]]:
    return [
        {"prompt": f"p{i}"} | answers | {name: value(i) for name, value in columns.items()}
        for i in range(COUNT)
    ]


@KINDS
@pytest.mark.parametrize("name", ["source", "subset", "dataset"])
@pytest.mark.parametrize(
    "answers",
    [
        TRL,
        {"chosen_response": "good", "rejected_response": "bad"},
        {"response_a": "good", "response_b": "bad", "winner": "A"},
        {"responses": ["good", "bad"], "scores": [2.0, 1.0]},
        {"responses": [{"text": "good", "score": 2}, {"text": "bad", "score": 1}]},
        {"chosen": ["good"], "rejected": ["bad"]},
    ],
    ids="-".join,
)
def test_few_values_are_the_source(
    tmp_path: Path, kind: str, name: str, answers: dict[str, Any]
) -> None:
    data = rows(answers, **{name: lambda i: f"set {i % 2}"})
    data[-1][name] = None
    frame = read_rows(tmp_path, data, kind).frame
    expected = [f"set {i % 2}" for i in range(COUNT - 1)]
    assert frame["source"].to_list() == [*expected, f"rows.{kind}"]
    assert all(name not in json.loads(text) for text in frame["extra"].drop_nulls())


@KINDS
@pytest.mark.parametrize(
    "value",
    [lambda i: f"https://example.org/{i}", lambda i: i % 2, lambda i: "x" * 200],
    ids=["many", "numbers", "long"],
)
def test_other_values_are_no_source(tmp_path: Path, kind: str, value: Any) -> None:
    frame = read_rows(tmp_path, rows(TRL, source=value), kind).frame
    assert set(frame["source"]) == {f"rows.{kind}"}
    assert [json.loads(text)["source"] for text in frame["extra"]] == [
        value(i) for i in range(COUNT)
    ]


@KINDS
@pytest.mark.parametrize("name", ["annotator", "annotator_id"])
def test_annotators_are_named(tmp_path: Path, kind: str, name: str) -> None:
    frame = read_rows(tmp_path, rows(TRL, **{name: lambda i: i + 1 if i else None}), kind).frame
    assert frame["annotator"].to_list() == [None, *map(str, range(2, COUNT + 1))]
    assert frame["pair_id"].n_unique() == COUNT


def test_of_two_such_columns_the_other_stays(tmp_path: Path) -> None:
    data = rows(TRL, source=lambda i: f"u{i}", subset=lambda i: "s", dataset=lambda i: "d")
    frame = read_rows(tmp_path, data).frame
    assert set(frame["source"]) == {"s"}
    assert json.loads(frame["extra"][0]) == {"source": "u0", "dataset": "d"}


def test_all_votes_of_a_prompt_are_pairs_of_their_own(tmp_path: Path) -> None:
    data = [{"prompt": "p"} | TRL | {"annotator": f"a{i}"} for i in range(3)]
    assert read_rows(tmp_path, data).frame["pair_id"].n_unique() == 3


@pytest.mark.parametrize("form", FORMS)
def test_every_format_has_them(form: str) -> None:
    data = [
        row | {"source": f"set {i % 2}", "annotator": f"a{i}"}
        for i in range(COUNT)
        for row in FORMS[form](i)
    ]
    pairs = read_pairs(data)
    assert set(pairs.frame["source"]) == {"set 0", "set 1"}
    # Where rows of several annotators make a pair, it is nobody's alone.
    several_rows = len(data) > COUNT
    expected = [None] * COUNT if several_rows else [f"a{i}" for i in range(COUNT)]
    assert pairs.frame["annotator"].to_list() == expected
