"""Rankings: rows that make no pair are listed, answers that are left out are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate import CurateError, Pairs, Pipeline, read_pairs
from curate.read.convert_blocks import convert_blocks
from curate.read.formats.base import (
    NO_PAIR,
    ROW,
    BoundFormat,
    Format,
    ReadOptions,
    RowSample,
    as_turn,
)
from curate.read.sources import find_sources
from curate.write.export import ExportTarget
from curate.write.source_rows import export_source
from tests.curate.read.public_rows import FORMS
from tests.helpers import read_rows, write_jsonl

KINDS = pytest.mark.parametrize("kind", ["jsonl", "parquet"])


def _listwise(folder: Path, kind: str, scores: list[list[Any]], **ranking: Any) -> Pairs:
    rows = [
        {
            "prompt": f"p {i}",
            "responses": [f"{a} {i}" for a in "abc"[: len(row_scores)]],
            "scores": row_scores,
        }
        for i, row_scores in enumerate(scores)
    ]
    return read_rows(folder, rows, kind, ranking=ranking)


@KINDS
def test_answers_too_close_are_listed(tmp_path: Path, kind: str) -> None:
    pairs = _listwise(tmp_path, kind, [[1, 2], [1, 4], [3, 3]], min_gap=2.0)
    assert pairs.frame["strength"].to_list() == [3.0]
    assert pairs.rejected["row"].to_list() == [1, 3]
    assert set(pairs.rejected["reason"]) == {
        "the scores of no two answers of the ranking differ by ranking.min_gap"
    }


@KINDS
def test_answers_without_a_score_are_told(tmp_path: Path, kind: str) -> None:
    pairs = _listwise(tmp_path, kind, [[1, None, 3], [1, 2, 3], [None, None, 1]])
    assert len(pairs) == 2
    assert pairs.notes[0].startswith("2 rankings hold answers without a text or a score")
    assert pairs.rejected["reason"].to_list() == [
        "the ranking makes no pair; expected two scored answers or more"
    ]


def test_lists_of_answers_of_one_side_are_listed(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": f"p {i}", "chosen": ["a", "b"], "rejected": [f"c {i}"]} for i in range(4)
    ]
    rows[1]["rejected"] = []
    rows[2] |= {"chosen": None, "rejected": ["c", "d"]}
    pairs = read_rows(tmp_path, rows)
    assert len(pairs) == 2
    assert pairs.rejected["row"].to_list() == [2, 3]


@KINDS
@pytest.mark.parametrize(
    ("form", "chosen", "rejected"),
    [
        ("nectar", {"model": "m"}, {"model": "n"}),
        ("ultrafeedback", {"model": "m"}, {"model": "m"}),
        (
            "stack exchange",
            {"answer_id": "1", "author": "a", "selected": "true"},
            {"answer_id": "2", "author": "b", "selected": "false"},
        ),
    ],
)
def test_what_is_said_of_each_answer_stays(
    tmp_path: Path, kind: str, form: str, chosen: dict[str, str], rejected: dict[str, str]
) -> None:
    pairs = read_rows(tmp_path, FORMS[form](0), kind)
    extra = json.loads(pairs.frame["extra"][0])
    assert extra["chosen_answer"] == chosen
    assert extra["rejected_answer"] == rejected


class Forgetful(Format):
    """A format of a plug-in that says nothing of every other row."""

    name = "forgetful"
    summary = "for a test"
    text_columns = ("a", "b")

    def matches(self, rows: RowSample) -> bool:
        return True

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        some = rows.filter(pl.col(ROW) % 2 == 0)
        return some.with_columns(
            chosen=as_turn("a", "assistant"), rejected=as_turn("b", "assistant")
        )


def test_a_row_of_which_a_format_says_nothing_is_listed(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [{"a": f"{i}", "b": "no"} for i in range(4)])
    (source,) = find_sources(str(path))
    (converted,) = convert_blocks(lambda: BoundFormat(Forgetful()), source.blocks(), "a.jsonl")
    assert converted[ROW].to_list() == [1, 2, 3, 4]
    reason = "the row makes no pair by the format 'forgetful'"
    assert converted[NO_PAIR].to_list() == [reason, None, reason, None]


@pytest.mark.parametrize("form", ["kto", "scored"])
def test_partners_are_found_in_other_files(tmp_path: Path, form: str) -> None:
    rows = [row for i in range(4) for row in FORMS[form](i)]
    for name, file_rows in (("a", rows[::2]), ("b", rows[1::2])):
        write_jsonl(tmp_path / f"{name}.jsonl", [*file_rows, *FORMS[form](9 + (name == "b"))])
    pairs = read_pairs(str(tmp_path))
    (tmp_path / "whole").mkdir()
    one_file = read_pairs(str(write_jsonl(tmp_path / "whole" / "all.jsonl", _joined(rows, form))))
    assert len(pairs) == len(one_file) == 6
    answers = ("prompt", "chosen", "rejected", "pair_id")
    key = ["pair_id"]
    assert pairs.frame.select(answers).sort(key).equals(one_file.frame.select(answers).sort(key))
    places = {
        (r["file"].rpartition("/")[2], r["row"]): json.loads(extra)
        for r, extra in zip(pairs.origins.to_dicts(), pairs.frame["extra"], strict=True)
    }
    assert places["a.jsonl", 1]["rows"] == [1, 1]
    assert [f.rpartition("/")[2] for f in places["a.jsonl", 1]["files"]] == ["a.jsonl", "b.jsonl"]
    # A pair within one file names its rows alone.
    assert places["b.jsonl", 5]["rows"] == [5, 6]
    assert "files" not in places["b.jsonl", 5]


def _joined(rows: list[dict[str, Any]], form: str) -> list[dict[str, Any]]:
    return [*rows[::2], *FORMS[form](9), *rows[1::2], *FORMS[form](10)]


def test_rows_of_pairs_across_files_are_exported_as_read(tmp_path: Path) -> None:
    rows = FORMS["kto"](0)
    (tmp_path / "data").mkdir()
    for name, row in zip("ab", rows, strict=True):
        write_jsonl(tmp_path / "data" / f"{name}.jsonl", [row])
    run = tmp_path / "run"
    Pipeline({"input": {"path": str(tmp_path / "data")}, "store": None}).run(output=run)
    target = ExportTarget("source", file_type="jsonl")
    export_source(str(run), tmp_path / "out", target)
    lines = [
        json.loads(line)
        for path in sorted((tmp_path / "out").rglob("part-*"))
        for line in path.read_text().splitlines()
    ]
    assert lines == rows


def test_a_refusal_of_joined_files_names_the_file(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", FORMS["kto"](0))
    write_jsonl(tmp_path / "b.jsonl", [{"prompt": "p", "completion": "c", "label": "perhaps"}])
    with pytest.raises(CurateError, match=r"b\.jsonl") as caught:
        read_pairs(str(tmp_path))
    assert "row 1: the label is 'perhaps'" in str(caught.value)


@pytest.mark.parametrize(("first", "second"), [("trl", "ultrafeedback"), ("ultrafeedback", "kto")])
def test_a_file_of_another_format_is_told(tmp_path: Path, first: str, second: str) -> None:
    for name, form in (("a", first), ("b", second)):
        write_jsonl(tmp_path / f"{name}.jsonl", [row for i in range(4) for row in FORMS[form](i)])
    pairs = read_pairs(str(tmp_path), on_error="skip")
    assert len(pairs) == 4
    (note,) = (note for note in pairs.notes if "another format" in note)
    assert "b.jsonl: its rows are not of the format" in note
    # Odd rows of their own make no other format, in the first file and in a further one.
    for name, numbers in (("a", range(4)), ("b", range(4, 8))):
        odd = {"prompt": "p", "response_a": "a", "response_b": "b", "winner": "neither"}
        rows = [row for i in numbers for row in FORMS["labelled"](i)]
        write_jsonl(tmp_path / f"{name}.jsonl", [*rows, odd])
    odd_rows = read_pairs(str(tmp_path), on_error="skip")
    assert len(odd_rows.rejected) == 2
    assert not any("another format" in note for note in odd_rows.notes)
    for name, numbers in (("a", range(4)), ("b", range(4, 8))):
        write_jsonl(tmp_path / f"{name}.jsonl", [row for i in numbers for row in FORMS[first](i)])
    assert not any("another format" in note for note in read_pairs(str(tmp_path)).notes)
