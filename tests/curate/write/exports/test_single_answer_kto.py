"""Answers with a verdict and without a partner: rows for KTO, each with its own label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate import CurateError, Pipeline, read_pairs
from curate.write.export import ExportTarget, export_pairs
from tests.helpers import write_jsonl

LABELS = [True, False, True, True]
KTO = [{"prompt": f"p{i}", "completion": f"a{i}", "label": label} for i, label in enumerate(LABELS)]


def written(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "kept" / "*.parquet")


@pytest.mark.parametrize("name", ["label", "kto_tag"])
@pytest.mark.parametrize(("good", "bad"), [(True, False), (1, 0), ("good", "bad")])
def test_rows_have_their_own_labels(tmp_path: Path, name: str, good: Any, bad: Any) -> None:
    rows = [
        {"prompt": row["prompt"], "completion": row["completion"], name: good if ok else bad}
        for row, ok in zip(KTO, LABELS, strict=True)
    ]
    data = {"path": str(write_jsonl(tmp_path / "rows.jsonl", rows)), "kind": "answers"}
    config = {
        "input": data,
        "scorers": [{"type": "lengths"}],
        "filters": [{"type": "expression", "drop": "pair_id IS NULL"}],
        "output": {"format": "trl_kto"},
        "store": None,
    }
    Pipeline(config).run(output=tmp_path / "out")
    frame = written(tmp_path / "out").sort(pl.col("prompt").list.first().struct.field("content"))
    assert frame["label"].to_list() == LABELS
    answers = frame["completion"].list.first().struct.field("content").to_list()
    assert answers == ["a0", "a1", "a2", "a3"]


@pytest.mark.parametrize("form", ["trl_kto", "axolotl_kto", "llamafactory_kto", "swift_kto"])
def test_every_form_of_kto_takes_them(tmp_path: Path, form: str) -> None:
    data = write_jsonl(tmp_path / "rows.jsonl", KTO)
    run = tmp_path / "run"
    source = {"path": str(data), "format": "answers"}
    Pipeline({"input": source, "output": {"format": "pairs"}, "store": None}).run(output=run)
    result = export_pairs(str(run), tmp_path / "out", ExportTarget(form))
    assert result.pairs == len(KTO)
    label = "kto_tag" if form == "llamafactory_kto" else "label"
    assert sorted(written(tmp_path / "out")[label].to_list()) == sorted(LABELS)


def test_answers_without_a_label_are_refused() -> None:
    rows = [{"prompt": "p", "completion": "a"}, {"prompt": "q", "completion": "b"}]
    pipeline = Pipeline({"output": {"format": "trl_kto"}, "store": None})
    with pytest.raises(CurateError, match="single answers need a label for KTO") as caught:
        pipeline.run(read_pairs(rows), output="never-written")
    assert "2 of 2 rows without one" in str(caught.value)


def test_reading_pairs_mentions_the_answers_without_a_partner(tmp_path: Path) -> None:
    rows = [*KTO, {"prompt": "p0", "completion": "b", "label": False}]
    pairs = read_pairs(str(write_jsonl(tmp_path / "rows.jsonl", rows)))
    assert len(pairs) == 1
    (note,) = (note for note in pairs.notes if "KTO needs none" in note)
    assert note.startswith("3 answers have no partner with the other label")
