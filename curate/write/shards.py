"""Writes shards, scores and the manifest into a run's folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import orjson
import polars as pl
import pyarrow as pa
import yaml
from pyarrow import parquet

from curate.data.attachments import MEDIA
from curate.data.json_text import to_json
from curate.data.json_types import JsonObject
from curate.write.exports.json_values import arrow_table, has_json, iter_json_lines
from curate.write.manifest import ShardFile

RAW_LINE = "__line__"
"""The single column of a frame whose rows are JSON lines already."""
# The fastest of zstd: shards are read once or twice.
_LEVEL = 1
_SPLIT = "train"
# Of scores in one row group: some 30 MB while it is written.
_GROUP_ROWS = 1 << 17


class ShardWriter:
    """Writes frames one after another as `part-00000` and on, a few rows in memory at a time.

    Args:
        folder: to be made; the files lie in it.
        file_type: "parquet" or "jsonl"; "dataset" turns the parquet files into a saved DatasetDict
            with the split `train` at the end.
        rows_per_shard: rows in one file at most.
        root: folder to which the paths of shards are relative; default the folder above.
        schema: of parquet files; default that of the first frame.
    """

    def __init__(
        self,
        folder: Path,
        file_type: str,
        rows_per_shard: int,
        root: Path | None = None,
        schema: pa.Schema | None = None,
    ) -> None:
        folder.mkdir()
        self._folder, self._file_type, self._size = folder, file_type, rows_per_shard
        self._root = root or folder.parent
        self._ending = "jsonl" if file_type == "jsonl" else "parquet"
        self._file: IO[bytes] | None = None
        self._path, self._rows = folder, 0
        self._parquet: parquet.ParquetWriter | None = None
        self._schema = schema
        self.shards: list[ShardFile] = []

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()
        # After an error the files are no dataset, and are removed with their folder.
        if kind is None and self._file_type == "dataset":
            self._as_dataset()

    def write(self, frame: pl.DataFrame) -> None:
        """Write the rows; the first frame gives the columns, and a file even if it is empty."""
        start = 0
        # Without a row one shard is made all the same: a trainer reads its columns.
        while start < len(frame) or not (self.shards or self._file):
            if self._file is None:
                self._open()
            rows = frame[start : start + self._size - self._rows]
            self._append(rows)
            self._rows += len(rows)
            start += len(rows)
            if self._rows >= self._size:
                self._close()

    def _open(self) -> None:
        self._path = self._folder / f"part-{len(self.shards):05d}.{self._ending}"
        # Through a Python file, so that a full disk is an OSError with its number.
        self._file, self._rows = self._path.open("wb"), 0

    def _append(self, rows: pl.DataFrame) -> None:
        assert self._file is not None
        if self._ending == "jsonl":
            if rows.columns == [RAW_LINE]:
                self._file.write("\n".join((*rows[RAW_LINE], "")).encode())
                return
            self._file.write(_json_lines(rows))
            return
        table = arrow_table(rows)
        if self._parquet is None:
            self._schema = self._schema or table.schema
            self._parquet = parquet.ParquetWriter(
                self._file, self._schema, compression="zstd", compression_level=_LEVEL
            )
        self._parquet.write_table(_cast_table(self._schema, table))

    def _close(self) -> None:
        if self._file is None:
            return
        if self._parquet is not None:
            self._parquet.close()
        self._file.close()
        self._file = self._parquet = None
        name = self._path.relative_to(self._root).as_posix()
        self.shards.append(ShardFile(name, self._path.stat().st_size, self._rows))

    def _as_dataset(self) -> None:
        """Write the parquet files as a folder of `DatasetDict.save_to_disk`."""
        # Hidden, and gone before the run is done: nobody must take it for shards.
        raw = self._folder.with_name(f".{self._folder.name}.parquet")
        self._folder.rename(raw)
        files = {_SPLIT: [raw / Path(shard.path).name for shard in self.shards]}
        self.shards = save_dataset(files, self._folder, self._root)
        shutil.rmtree(raw)


def save_dataset(files: dict[str, list[Path]], folder: Path, root: Path) -> list[ShardFile]:
    """Write parquet files, by split, as `DatasetDict.save_to_disk` does, through memory maps.

    Returns:
        Path (from `root`) and bytes of each file of rows.
    """
    from datasets import Dataset, DatasetDict
    from datasets.utils.logging import disable_progress_bar

    disable_progress_bar()
    with tempfile.TemporaryDirectory(dir=folder.parent) as cache:
        datasets = {
            split: Dataset.from_parquet([str(f) for f in some], cache_dir=f"{cache}/{split}")
            for split, some in files.items()
        }
        DatasetDict(datasets).save_to_disk(str(folder))
    return [
        ShardFile(path.relative_to(root).as_posix(), path.stat().st_size)
        for split in files
        for path in sorted((folder / split).glob("*.arrow"))
    ]


def schema_of(frame: pl.DataFrame) -> pa.Schema:
    """Return the schema of parquet files with these rows."""
    return arrow_table(frame.head(0)).schema


def write_shards(
    frames: Iterable[pl.DataFrame], folder: Path, file_type: str, rows_per_shard: int
) -> list[ShardFile]:
    """Write frames as `part-00000` and on; a single empty one gives one shard without rows.

    Returns:
        Path (from the run's folder), rows and bytes of each shard.
    """
    with ShardWriter(folder, file_type, rows_per_shard) as writer:
        for frame in frames:
            writer.write(frame)
    return writer.shards


def _json_lines(rows: pl.DataFrame) -> bytes | memoryview:
    """Return the rows as JSON lines; media by their paths."""
    path = pl.element().struct.field("path")
    media = [c for c, kind in rows.schema.items() if kind == MEDIA]
    # JSON holds no bytes; `supported_content` has seen to it that there are none.
    rows = rows.with_columns(pl.col(c).list.eval(path) for c in media)
    if has_json(rows):
        return iter_json_lines(rows)
    lines = BytesIO()
    rows.write_ndjson(lines)
    return lines.getbuffer()


def _cast_table(schema: pa.Schema, table: pa.Table) -> pa.Table:
    """Cast the table unless the schema fits, since a cast imports Arrow's compute module."""
    return table if table.schema == schema else table.cast(schema)


def write_frame(frame: pl.DataFrame, path: Path) -> None:
    """Write one parquet file."""
    schema = schema_of(frame)
    # Scores hardly repeat: a dictionary of them is made in vain.
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    settings = {"compression": "zstd", "compression_level": _LEVEL, "use_dictionary": texts}
    with path.open("wb") as file, parquet.ParquetWriter(file, schema, **settings) as writer:
        for rows in frame.iter_slices(_GROUP_ROWS):
            writer.write_table(_cast_table(schema, arrow_table(rows)))


def write_json(value: Any, path: Path) -> None:
    """Write a JSON file in one step: it stands whole or not at all.

    NaN and infinities, which JSON has no words for, become null; bytes of a file's name that are no
    UTF-8 become U+FFFD.
    """
    options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE
    try:
        text = orjson.dumps(value, default=str, option=options)
    except TypeError:
        text = orjson.dumps(orjson.loads(to_json(value)), option=options)
    write_text(text.decode(), path)


def write_files(files: JsonObject, folder: Path) -> None:
    """Write plain data as .json or .yaml, text as it is, by the ending of each name."""
    for name, content in files.items():
        if name.endswith(".json"):
            write_json(content, folder / name)
        elif name.endswith(".yaml"):
            write_text(yaml.safe_dump(content, sort_keys=False), folder / name)
        else:
            write_text(str(content), folder / name)


def write_text(text: str, path: Path) -> None:
    """Write a text file in one step: it stands whole or not at all."""
    # A reader sees the old file or the new one, never half of it.
    half = path.with_name(f".{path.name}.tmp")
    half.write_text(text, encoding="utf-8")
    half.replace(path)
