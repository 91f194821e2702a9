"""Shards of several splits: a folder for each, or one DatasetDict."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from curate.write.manifest import ShardFile
from curate.write.shards import ShardWriter, save_dataset


def write_split_shards(
    streams: Mapping[str, Iterable[pl.DataFrame]],
    folder: Path,
    file_type: str,
    rows_per_shard: int,
) -> list[ShardFile]:
    """Write `<folder>/<split>/part-00000` and on for each split, one after the other.

    Args:
        streams: rows of each split, part by part.
        folder: to be made.
        file_type: as of `ShardWriter`; "dataset" makes one DatasetDict of all splits.
        rows_per_shard: rows in one file at most.

    Returns:
        Split, path (from the folder above) and bytes of each shard, and rows where they are known.
    """
    as_dataset = file_type == "dataset"
    # Aside, since a DatasetDict is made of whole files.
    place = folder.with_name(f".{folder.name}.parquet") if as_dataset else folder
    place.mkdir()
    shards: list[ShardFile] = []
    files: dict[str, list[Path]] = {}
    kind = "parquet" if as_dataset else file_type
    for split, rows in streams.items():
        with ShardWriter(place / split, kind, rows_per_shard, root=folder.parent) as writer:
            for part in rows:
                writer.write(part)
        shards += [replace(shard, split=split) for shard in writer.shards]
        files[split] = [folder.parent / shard.path for shard in writer.shards]
    if not as_dataset:
        return shards
    saved = save_dataset(files, folder, folder.parent)
    shutil.rmtree(place)
    return [replace(shard, split=Path(shard.path).parts[-2]) for shard in saved]
