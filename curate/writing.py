"""Writes shards, scores and the manifest into a run's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
from pyarrow import parquet

from curate.context import batches

_LEVEL = 3


def write_shards(
    frame: pl.DataFrame, folder: Path, file_type: str, rows_per_shard: int
) -> list[dict[str, Any]]:
    """Write a frame as `part-00000` and on; an empty frame gives one shard without rows.

    Returns:
        Path (from the run's folder), rows and bytes of each shard.
    """
    folder.mkdir()
    shards = []
    for number, rows in enumerate(batches(len(frame), rows_per_shard) or [slice(0, 0)]):
        path = folder / f"part-{number:05d}.{file_type}"
        write_frame(frame[rows], path)
        size = path.stat().st_size
        shards.append(
            {"path": f"{folder.name}/{path.name}", "rows": rows.stop - rows.start, "bytes": size}
        )
    return shards


def write_frame(frame: pl.DataFrame, path: Path) -> None:
    """Write one parquet or jsonl file.

    Written through a Python file, so that a full disk is an OSError with its number.
    """
    with path.open("wb") as file:
        if path.suffix == ".jsonl":
            file.write(frame.write_ndjson().encode())
        else:
            table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
            parquet.write_table(table, file, compression="zstd", compression_level=_LEVEL)


def write_json(value: dict[str, Any], path: Path) -> None:
    """Write a JSON file in one step: it stands whole or not at all."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    half = path.with_name(f".{path.name}.tmp")
    half.write_text(text + "\n", encoding="utf-8")
    half.replace(path)
