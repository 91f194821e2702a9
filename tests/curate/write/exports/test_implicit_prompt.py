"""The form with the implicit prompt: both answers are whole conversations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset

from curate import CurateError, Pipeline, read_pairs
from curate.write.as_dataset import to_dataset
from curate.write.export import ExportTarget, export_pairs
from tests.curate.write.exports.test_axolotl import CALLS, PLAIN
from tests.helpers import published, write_jsonl

LONG = [
    *published("hi", "user"),
    *published("ho"),
    *published("more?", "user"),
]
ROWS = [PLAIN, *CALLS, PLAIN | {"prompt": LONG, "rejected": published("bad")}]


def rows_of(folder: Path, cache: Path) -> Any:
    return load_dataset(str(folder / "kept"), split="train", cache_dir=str(cache / "cache"))


@pytest.mark.parametrize("form", ["trl", "trl_reward"])
@pytest.mark.parametrize("file_type", ["parquet", "jsonl"])
def test_trl_finds_the_prompt(form: str, file_type: Any, tmp_path: Path) -> None:
    data = pytest.importorskip("trl.data_utils", reason="needs the extra 'trainers'")
    source = str(write_jsonl(tmp_path / "rows.jsonl", ROWS))
    export_pairs(source, tmp_path / "out", ExportTarget(form, file_type, prompt="implicit"))
    export_pairs(source, tmp_path / "explicit", ExportTarget(form, "parquet"))
    extracted, expected = (
        rows_of(tmp_path / "out", tmp_path),
        rows_of(tmp_path / "explicit", tmp_path),
    )
    assert "prompt" not in extracted.column_names
    assert ("margin" in extracted.column_names) == (form == "trl_reward")
    for row, other in zip(extracted, expected, strict=True):
        assert row["chosen"][:-1] == other["prompt"]
        split = data.extract_prompt(dict(row))
        assert [split[c] for c in ("prompt", "chosen", "rejected")] == [
            other[c] for c in ("prompt", "chosen", "rejected")
        ]


def test_a_run_writes_it_and_its_pairs_in_memory_too(tmp_path: Path) -> None:
    source = str(write_jsonl(tmp_path / "rows.jsonl", ROWS))
    config = {"input": {"path": source}, "output": {"prompt": "implicit"}}
    result = Pipeline(config).run(output=tmp_path / "out")
    loaded = rows_of(tmp_path / "out", tmp_path)
    assert loaded[0]["chosen"] == [*PLAIN["prompt"], *PLAIN["chosen"]]
    assert result.kept_dataset(prompt="implicit")[0]["rejected"] == loaded[0]["rejected"]
    assert to_dataset(result.kept).column_names[:3] == ["prompt", "chosen", "rejected"]


def test_curate_reads_it_back(tmp_path: Path) -> None:
    source = str(write_jsonl(tmp_path / "rows.jsonl", ROWS))
    export_pairs(source, tmp_path / "out", ExportTarget(prompt="implicit"))
    columns = ["prompt", "chosen", "rejected"]
    assert (
        read_pairs(str(tmp_path / "out" / "kept"))
        .frame[columns]
        .equals(read_pairs(source).frame[columns])
    )


@pytest.mark.parametrize(("form", "prompt"), [("axolotl", "implicit"), ("torchtune", "explicit")])
def test_other_forms_know_one_prompt(form: str, prompt: Any, tmp_path: Path) -> None:
    source = str(write_jsonl(tmp_path / "rows.jsonl", [PLAIN]))
    with pytest.raises(CurateError, match=f"does not support an {prompt} prompt"):
        export_pairs(source, tmp_path / "out", ExportTarget(form, prompt=prompt))
    with pytest.raises(CurateError, match=f"does not support an {prompt} prompt"):
        Pipeline({"output": {"format": form, "prompt": prompt}})
