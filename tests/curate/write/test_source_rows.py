"""Round trip: what was kept comes back as published, with every column."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest

from curate import CurateError, Pairs, Pipeline
from curate.read import pairs
from curate.write import manifest, source_rows
from curate.write.export import ExportTarget
from curate.write.source_rows import export_source
from tests.helpers import numbered_pairs, trl_rows, turn, write_jsonl


def there_and_back(
    path: Path, tmp_path: Path, filters: list[dict[str, Any]], **input_: Any
) -> pl.DataFrame | list[dict[str, Any]]:
    config = {"input": {"path": str(path), **input_}, "filters": filters, "store": None}
    Pipeline(config).run(output=tmp_path / "run", overwrite=True)
    export_source(tmp_path / "run", tmp_path / "back", ExportTarget(), overwrite=True)
    (file,) = (tmp_path / "back" / "kept").iterdir()
    if file.suffix == ".jsonl":
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return pl.read_parquet(file)


@pytest.mark.parametrize(
    "name",
    [
        "llama-factory-dpo/dpo_zh_demo.json",
        "llama-factory-dpo/dpo_en_demo.json",
        "hh-rlhf-harmless/slice.jsonl.gz",
        "auto-j/slice.json",
        "llmbar/Natural.json",
    ],
)
def test_published_files(name: str, data: Path, tmp_path: Path) -> None:
    text = (data / name).read_bytes()
    text = gzip.decompress(text) if name.endswith(".gz") else text
    try:
        published = json.loads(text)
    except ValueError:
        published = [json.loads(line) for line in text.splitlines()]
    assert there_and_back(data / name, tmp_path, []) == published
    some = there_and_back(data / name, tmp_path, [{"type": "sample", "rows": 5}])
    assert len(some) == 5
    assert all(row in published for row in some)


def test_parquet_with_nested_columns(tmp_path: Path) -> None:
    rows = [
        {"chosen": turn("q", "user") + turn(f"a{i}"), "rejected": turn("q", "user") + turn(f"b{i}")}
        for i in range(6)
    ]
    frame = pl.DataFrame(rows).with_columns(score=pl.Series([[1.0, 2.0]] * 6), n=pl.int_range(6))
    frame.write_parquet(tmp_path / "a.parquet")
    keep = {"type": "expression", "keep": "`extra.n` > 2"}
    back = there_and_back(tmp_path / "a.parquet", tmp_path, [keep])
    assert isinstance(back, pl.DataFrame)
    assert back.equals(frame.filter(pl.col("n") > 2))


def test_rows_of_several_votes_and_of_several_rows_a_pair(tmp_path: Path) -> None:
    votes = {"annotator1": 1, "annotator2": 1, "annotator3": 0}
    rows = [
        {"instruction": f"i{n}", "input": "", "response1": "a", "response2": "b", **votes}
        for n in range(3)
    ]
    path = write_jsonl(tmp_path / "votes.jsonl", rows)
    assert there_and_back(path, tmp_path, [{"type": "ties"}]) == rows
    ratings = dict.fromkeys(
        ("helpfulness", "correctness", "coherence", "complexity", "verbosity"), 1
    )
    rated = [
        {"prompt": p, "response": r, **ratings, "helpfulness": h}
        for p, r, h in (("p", "x", 1), ("alone", "z", 1), ("p", "y", 4))
    ]
    path = write_jsonl(tmp_path / "rated.jsonl", rated)
    back = there_and_back(path, tmp_path, [], on_error="skip")
    assert back == [rated[0], rated[2]]


FLIP = [{"type": "flip_where", "condition": "LENGTH(extra) > 0"}]


def test_a_flipped_label_exchanges_the_columns_of_both_answers(tmp_path: Path) -> None:
    rows = [{**row, "score_chosen": 9, "score_rejected": 1} for row in trl_rows(2)]
    path = write_jsonl(tmp_path / "a.jsonl", rows)
    back = there_and_back(path, tmp_path, FLIP)
    assert back == [
        {
            "prompt": r["prompt"],
            "chosen": r["rejected"],
            "rejected": r["chosen"],
            "score_chosen": 1,
            "score_rejected": 9,
        }
        for r in rows
    ]
    pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
    frame = there_and_back(tmp_path / "a.parquet", tmp_path, FLIP)
    assert isinstance(frame, pl.DataFrame)
    assert frame.to_dicts() == back


def test_slots_are_exchanged_and_the_label_stays(tmp_path: Path) -> None:
    ask = turn("hi", "user")
    row = {
        "conversation_a": ask + turn("A"),
        "conversation_b": ask + turn("B"),
        "model_a": "m",
        "model_b": "n",
        "winner": "model_a",
    }
    path = write_jsonl(tmp_path / "a.jsonl", [row])
    (back,) = there_and_back(path, tmp_path, FLIP)
    assert isinstance(back, dict)
    assert back["winner"] == "model_a"
    assert back["conversation_a"] == row["conversation_b"]
    assert back["model_a"] == "n"


def test_a_format_with_several_labels_a_row_refuses_flips(tmp_path: Path) -> None:
    votes = {"annotator1": 1, "annotator2": 2, "annotator3": 1}
    row = {"instruction": "i", "input": "", "response1": "a", "response2": "b", **votes}
    path = write_jsonl(tmp_path / "a.jsonl", [row])
    with pytest.raises(CurateError, match="cannot represent flipped labels"):
        there_and_back(path, tmp_path, FLIP)
    assert not (tmp_path / "back").exists()


def test_pairs_from_memory_have_no_source(tmp_path: Path) -> None:
    Pipeline({"store": None}).run(Pairs(numbered_pairs(2)), output=tmp_path / "run")
    with pytest.raises(CurateError, match="has no source files"):
        export_source(tmp_path / "run", tmp_path / "back", ExportTarget())


def test_a_changed_input_is_noticed(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", trl_rows(4))
    Pipeline({"input": {"path": str(path)}, "store": None}).run(output=tmp_path / "run")
    write_jsonl(path, trl_rows(2))
    with pytest.raises(CurateError, match="has changed since the run"):
        export_source(tmp_path / "run", tmp_path / "back", ExportTarget())


@pytest.mark.parametrize("change", ["reversed", "other", "shorter", "relabelled", "gone"])
def test_another_input_is_refused(change: str, tmp_path: Path) -> None:
    rows = trl_rows(20)
    path = write_jsonl(tmp_path / "in.jsonl", rows)
    filters = [{"type": "sample", "rows": 5}]
    Pipeline({"input": {"path": str(path)}, "filters": filters}).run(output=tmp_path / "run")
    swapped = rows[3] | {"chosen": rows[3]["rejected"], "rejected": rows[3]["chosen"]}
    changed_rows = {
        "reversed": rows[::-1],
        "other": trl_rows(40)[20:],
        "shorter": rows[:19],
        "relabelled": [*rows[:3], swapped, *rows[4:]],
    }
    write_jsonl(path, changed_rows.get(change, []))
    with pytest.raises(CurateError, match="has changed since the run"):
        export_source(tmp_path / "run", tmp_path / "back", ExportTarget())
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize("numbered_by", ["content", "order"])
def test_rows_of_one_content_go_back_to_their_rows(
    numbered_by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs of earlier versions, which numbered repeated contents by order, are exported too."""
    rows = [{**row, "note": f"{n % 7} of {n}"} for n, row in enumerate(trl_rows(5) * 8)]
    path = write_jsonl(tmp_path / "in.jsonl", rows)
    with monkeypatch.context() as patch:
        if numbered_by == "order":
            patch.setattr(pairs, "number_by_content", lambda frame, *_: (frame, _[-1]))
            patch.setattr(manifest, "_REPEATED_IDS", "of_no_version")
        filters = [{"type": "sample", "rows": 15}]
        config = {"input": {"path": str(path)}, "filters": filters, "store": None}
        result = Pipeline(config).run(output=tmp_path / "run")
    export_source(tmp_path / "run", tmp_path / "back", ExportTarget())
    (file,) = (tmp_path / "back" / "kept").iterdir()
    back = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    notes = {json.loads(extra)["note"] for extra in result.kept["extra"]}
    assert back == [row for row in rows if row["note"] in notes]
    assert len(back) == 15
    if numbered_by == "order":
        rows = rows[::-1]  # which rows of one text moved alone do not show
    write_jsonl(path, [*rows[5:10], *rows[:5], *rows[10:]])
    with pytest.raises(CurateError, match="has changed since the run"):
        export_source(tmp_path / "run", tmp_path / "again", ExportTarget())


def test_no_text_is_written_to_compare_fingerprints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "marked text"
    path = write_jsonl(tmp_path / "in.jsonl", [{**row, "chosen": text} for row in trl_rows(5)])
    Pipeline({"input": {"path": str(path)}}).run(output=tmp_path / "run")
    (tmp_path / "work").mkdir()
    written: list[bytes] = []

    class Kept(TemporaryDirectory[str]):
        def cleanup(self) -> None:
            written.extend(p.read_bytes() for p in Path(self.name).rglob("*") if p.is_file())
            super().cleanup()

    monkeypatch.setattr(source_rows, "TemporaryDirectory", Kept)
    export_source(tmp_path / "run", tmp_path / "back", ExportTarget())
    assert written
    assert not any(text.encode() in content for content in written)
