"""Verdict files of every condition, and reviewers who are called as annotators."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curate import CurateError, Pipeline, read_pairs
from curate.people.merge import merge_files, merge_verdicts
from curate.people.verdict_log import VerdictLog
from curate.steps.context import SilentProgress
from curate.verdicts.files import read_verdicts
from tests.helpers import write_jsonl


def _votes(tmp_path: Path) -> Path:
    rows = [
        {"prompt": f"p{i}", "chosen": "a", "rejected": "b", "annotator": name}
        for i in range(4)
        for name in ("ann", "bob")
    ]
    return write_jsonl(tmp_path / "a.jsonl", rows)


def _mapped(path: Path) -> dict[str, object]:
    columns = {
        "prompt": "prompt",
        "chosen": "chosen",
        "rejected": "rejected",
        "annotator": "annotator",
    }
    return {"path": str(path), "columns": columns}


def _verdict_file(path: Path, ids: list[str], reviewer: str) -> Path:
    return write_jsonl(path, [{"pair_id": i, "reviewer": reviewer, "verdict": "flip"} for i in ids])


def test_a_reviewer_called_as_an_annotator_is_kept_apart(tmp_path: Path) -> None:
    pairs = read_pairs(**_mapped(_votes(tmp_path))).frame  # type: ignore[arg-type]
    verdicts = _verdict_file(tmp_path / "v.jsonl", pairs["pair_id"].to_list()[:3], "ann")
    merged = merge_verdicts(pairs, read_verdicts([verdicts])).frame
    assert merged["pair_id"].is_unique().all()
    assert merged["annotator"].to_list()[-3:] == ["reviewer ann"] * 3
    merged.write_parquet(tmp_path / "merged.parquet")
    again = Pipeline({"input": {"path": str(tmp_path / "merged.parquet")}, "store": None}).run()
    assert len(again.kept) == 11


def test_the_same_verdicts_merged_twice_give_new_ids(tmp_path: Path) -> None:
    pairs = read_pairs(**_mapped(_votes(tmp_path))).frame  # type: ignore[arg-type]
    verdicts = read_verdicts(
        [_verdict_file(tmp_path / "v.jsonl", pairs["pair_id"].to_list()[:2], "eve")]
    )
    once = merge_verdicts(pairs, verdicts).frame
    twice = merge_verdicts(once, verdicts).frame
    assert len(twice) == 12
    assert twice["pair_id"].is_unique().all()
    assert twice["annotator"].to_list()[-2:] == ["eve"] * 2


def test_damaged_lines_are_told_by_their_number_and_the_others_count(tmp_path: Path) -> None:
    data = _votes(tmp_path)
    pairs = read_pairs(str(data), on_error="skip").frame
    ids = pairs["pair_id"].to_list()
    good = [json.dumps({"pair_id": i, "reviewer": "eve", "verdict": "keep"}) for i in ids[:3]]
    verdicts = tmp_path / "v.jsonl"
    verdicts.write_text(
        "\n".join([good[0], '{"pair_id": "x', good[1], "", "\x00\x00", good[2]]) + "\n"
    )
    merged = merge_files(str(data), [verdicts], tmp_path / "out", False, SilentProgress())
    assert merged.counts["keep"] == 3
    assert len(merged.warnings) == 2
    assert "do not record which answer" in merged.warnings[1]
    assert "2 damaged lines" in merged.warnings[0]
    assert "2, 5" in merged.warnings[0]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"[]",
        b"{}",
        b"3",
        b"[1, 2]",
        b'[{"pair_id": "x"}]',
        b'[{"id": 1, "annotations": 3}]',
        b'[{"annotations": [{"result": 5}], "data": {"pair_id": "x"}}]',
        b'[{"annotations": [{"result": [{"value": {}}]}], "data": {"pair_id": "x"}}]',
        b'[{"responses": 3, "metadata": {}}]',
        b'[{"pair_id": null, "verdict": "keep"}]',
        b'[{"pair_id": "x", "verdict": "maybe"}]',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_odd_verdict_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "v.json"
    path.write_bytes(content)
    try:
        verdict_table = read_verdicts([path])
    except CurateError as error:
        assert error.where
        return
    with pytest.raises(CurateError, match="on unknown pairs"):
        merge_verdicts(read_pairs(str(_votes(tmp_path)), on_error="skip").frame, verdict_table)


def test_a_log_with_damaged_lines_is_opened(tmp_path: Path) -> None:
    log = VerdictLog(tmp_path, "ann")
    log.add("a", "keep")
    log.close()
    with log.path.open("ab") as file:
        file.write(b'\xff\xfe\n{"pair_id": 3}\n[]\n{"pair_id": "b", "verdict": "odd"}\n')
    again = VerdictLog(tmp_path, "ann")
    again.add("c", "flip")
    assert again.verdicts == {"a": "keep", "c": "flip"}
