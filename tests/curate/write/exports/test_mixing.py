"""Shards mix with data sets that anybody else made: by `datasets`, and by TRL's own mixtures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from datasets import Dataset, concatenate_datasets, interleave_datasets, load_dataset

from curate import Pairs, Pipeline, read_pairs
from curate.data.table import MESSAGES
from curate.write.as_dataset import to_dataset
from curate.write.export import ExportTarget, export_pairs
from curate.write.exports.json_values import arrow_table
from tests.curate.write.exports.round_trips import text_forms
from tests.helpers import numbered_pairs, turn, write_jsonl

WIDE = (pa.types.is_large_string, pa.types.is_large_binary, pa.types.is_large_list)


def with_everything(folder: Path) -> Path:
    """Pairs with tools, calls, a trace, arguments of the template and carried columns."""
    call = {"type": "function", "function": {"name": "zoom", "arguments": {"by": 2}}}
    rows = [
        {
            "prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": f"q{i}"}],
            "chosen": [{"role": "assistant", "content": "", "tool_calls": [call]}],
            "rejected": [{"role": "assistant", "content": "b", "reasoning_content": "hm"}],
            "tools": [{"type": "function", "function": {"name": "zoom", "parameters": {}}}],
            "chat_template_kwargs": {"enable_thinking": False},
        }
        for i in range(3)
    ]
    return write_jsonl(folder / "rows.jsonl", rows)


def wide_types(kind: pa.DataType) -> list[pa.DataType]:
    """The types with offsets of 64 bits, at every depth."""
    inner = [kind.field(i).type for i in range(kind.num_fields)]
    return [kind] * any(is_wide(kind) for is_wide in WIDE) + [
        t for k in inner for t in wide_types(k)
    ]


# The pair table is ours alone.
@pytest.mark.parametrize("name", [name for name in text_forms() if name != "pairs"])
def test_shards_mix_with_an_ordinary_data_set(name: str, tmp_path: Path) -> None:
    prompt = pl.lit(turn("Be kind.", "system") + turn("hi", "user"), dtype=MESSAGES)
    strength = pl.lit(1.0, dtype=pl.Float32)
    pairs = numbered_pairs(3).with_columns(prompt=prompt, strength=strength)
    Pipeline({"output": {"format": name}}).run(Pairs(pairs), output=tmp_path / "out")
    cache = str(tmp_path / "cache")
    ours = load_dataset(str(tmp_path / "out" / "kept"), split="train", cache_dir=cache)
    theirs = Dataset.from_list(ours.to_list())
    assert len(concatenate_datasets([ours, theirs])) == 2 * len(ours)
    assert len(interleave_datasets([theirs, ours])) == 2 * len(ours)
    assert ours.features == theirs.features


@pytest.mark.parametrize("kind", ["kept", "pairs", "dropped"])
def test_no_shard_has_offsets_of_64_bits(kind: str, tmp_path: Path) -> None:
    source = str(with_everything(tmp_path))
    Pipeline({"input": {"path": source}}).run(output=tmp_path / "out")
    (shard,) = (tmp_path / "out" / kind).glob("*.parquet")
    assert not [t for f in pa.parquet.read_schema(shard) for t in wide_types(f.type)]


def test_pairs_in_memory_have_the_same_features(tmp_path: Path) -> None:
    pairs = read_pairs(str(with_everything(tmp_path)))
    dataset = to_dataset(pairs.frame)
    assert not [t for f in dataset.data.schema for t in wide_types(f.type)]
    export_pairs(str(tmp_path / "rows.jsonl"), tmp_path / "out", ExportTarget())
    shards = str(tmp_path / "out" / "kept")
    loaded = load_dataset(shards, split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.features == dataset.features
    assert concatenate_datasets([loaded, dataset])[5]["chosen"] == dataset[2]["chosen"]


def test_slices_and_empty_frames_keep_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = numbered_pairs(7).select("pair_id", "prompt", "extra", bytes=pl.lit(b"\x00\xff"))
    monkeypatch.setattr("curate.write.exports.json_values._CHUNK_BYTES", 300)
    for rows in (frame, frame[2:5], frame[:0]):
        table = arrow_table(rows)
        assert table.to_pylist() == rows.to_dicts()
        assert not [t for f in table.schema for t in wide_types(f.type)]


@pytest.mark.slow
def test_trl_mixes_them_by_its_own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trl = pytest.importorskip("trl", reason="needs the extra 'trainers'")
    scripts: Any = pytest.importorskip("trl.scripts.utils")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    Pipeline({}).run(Pairs(numbered_pairs(4)), output=tmp_path / "out")
    other_rows = [
        {
            "prompt": [{"role": "user", "content": f"other {i}"}],
            "chosen": [{"role": "assistant", "content": "a"}],
            "rejected": [{"role": "assistant", "content": "b"}],
        }
        for i in range(4)
    ]
    (tmp_path / "others").mkdir()
    write_jsonl(tmp_path / "others" / "rows.jsonl", other_rows)
    sets = [scripts.DatasetConfig(path=str(tmp_path / n)) for n in ("out", "others")]
    mixed = trl.get_dataset(trl.DatasetMixtureConfig(datasets=sets))["train"]
    assert len(mixed) == 8
    assert {row["prompt"][0]["content"] for row in mixed} >= {"prompt 0", "other 3"}
