from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curate import CurateError, Pairs, read_pairs
from tests.helpers import write_jsonl


def read(folder: Path, rows: list[dict[str, Any]], **more: Any) -> Pairs:
    path = write_jsonl(folder / "a.jsonl", rows)
    return read_pairs(str(path), format="annotations", on_error="skip", **more)


def test_the_more_agreed_text_of_a_class_is_preferred(tmp_path: Path) -> None:
    rows = [
        {"text": "great film", "label": "pos", "annotations": ["pos", "pos", "pos", "pos"]},
        {"text": "not bad", "label": "pos", "annotations": ["pos", "pos", "neg", "pos"]},
        {"text": "awful", "label": "neg", "votes": {"neg": 3}},
        {"text": "so so", "label": "neg", "votes": {"neg": 2, "pos": 1}},
    ]
    pairs = read(tmp_path, rows)
    strengths = {
        (r["prompt"][0]["content"], r["chosen"][0]["content"], r["rejected"][0]["content"])
        for r in pairs.frame.iter_rows(named=True)
    }
    ask = "Which text is a clearer example of '{}'?"
    assert strengths == {
        (ask.format("pos"), "great film", "not bad"),
        (ask.format("neg"), "awful", "so so"),
    }
    extra = json.loads(pairs.frame["extra"][0])
    assert {extra["chosen_agreement"], extra["rejected_agreement"]} <= {1.0, 0.75, 2 / 3}
    assert sorted(pairs.frame["strength"]) == pytest.approx([1 / 4, 1 / 3], rel=1e-5)
    assert pairs.rejected.is_empty()


def test_every_row_is_in_a_pair_or_listed(tmp_path: Path) -> None:
    rows = [
        {
            "text": f"t {i}",
            "annotations": [{"label": "a"}] * (3 - i % 3) + [{"label": "b"}] * (i % 3),
        }
        for i in range(30)
    ]
    rows += [{"text": "alone", "annotations": ["c"]}, {"text": "odd", "annotations": "what"}]
    pairs = read(tmp_path, rows)
    in_pairs = {
        r[side][0]["content"]
        for r in pairs.frame.iter_rows(named=True)
        for side in ("chosen", "rejected")
    }
    listed = {rows[n - 1]["text"] for n in pairs.rejected["row"]}
    assert in_pairs | listed == {row["text"] for row in rows}
    assert not in_pairs & listed
    assert {"alone", "odd"} <= listed
    for row in pairs.frame.iter_rows(named=True):
        extra = json.loads(row["extra"])
        assert extra["chosen_agreement"] > extra["rejected_agreement"]


def test_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    rows = [
        {"text": f"t {i}", "label": "a", "annotations": ["a"] * (1 + i) + ["b"]} for i in range(8)
    ]

    def texts(some: list[dict[str, Any]]) -> set[tuple[str, str]]:
        frame = read(tmp_path, some).frame
        return {
            (r["chosen"][0]["content"], r["rejected"][0]["content"])
            for r in frame.iter_rows(named=True)
        }

    assert texts(rows) == texts(rows[::-1])


def test_it_is_never_found_by_itself(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [{"text": "t", "label": "a", "annotations": ["a"]}])
    with pytest.raises(CurateError, match="not recognised"):
        read_pairs(str(path))
