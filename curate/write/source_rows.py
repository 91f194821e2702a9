"""The rows of a run's input whose pairs were kept, with every column as published."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import orjson
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from curate.data.json_types import JsonObject
from curate.data.prefetch import read_ahead
from curate.data.table import BATCH_ROWS, Fingerprint, batch_slices, label_marks
from curate.errors import CurateError, is_masked
from curate.read.formats import Format, get_format
from curate.read.formats.columns import MappedColumns
from curate.read.input import InputConfig
from curate.read.pairs import input_sources, stream_pairs
from curate.read.repeated_ids import label_columns, number_by_content
from curate.read.sources.arrow_block import ArrowBlock
from curate.read.sources.blocks import RowBlock
from curate.read.sources.python_block import PythonBlock
from curate.steps.context import Progress, SilentProgress
from curate.store.scratch import ScratchSpace
from curate.write.export import MARK, ExportResult, ExportTarget
from curate.write.exports import WEIGHTS
from curate.write.manifest import ShardFile
from curate.write.run_files import KEPT, RunFiles
from curate.write.run_folder import atomic_folder
from curate.write.shards import RAW_LINE, ShardWriter, write_json

SOURCE = "source"
_COLUMNAR, _TEXT = "parquet", "jsonl"


def export_source(
    folder_of_run: str | Path,
    folder: Path,
    target: ExportTarget,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ExportResult:
    """Write the input's own rows: of JSON as JSON lines, of other files and the hub as parquet.

    A row of several votes is written when one of its pairs was kept. A label that a filter flipped
    is written by exchanging the columns of the two answers.

    Args:
        folder_of_run: a finished run; its input is read again.
        folder: to write into; the rows lie in `kept/`.
        target: its size of shards counts, its form and kind do not.
        overwrite: replace an earlier export.
        progress: where progress is shown.

    Raises:
        CurateError: the run's pairs came from memory, its input is gone or has changed, or a label
            was flipped in a format that cannot say so.
    """
    run = RunFiles(folder_of_run)
    notes = _weights_lost(run, target)
    rows, flipped = _kept_rows(run)
    input_ = _input_of(run)
    fmt = _source_format(run.manifest.input.format, input_)
    _require_swappable_answers(fmt, folder_of_run, len(flipped))
    _check_same_input(run, input_)
    with atomic_folder(folder, overwrite, MARK) as stage:
        with (progress or SilentProgress()).task("export", len(rows)) as task:
            frames = _iter_kept_rows(input_, fmt, rows, flipped)
            shards = _write_rows(frames, stage, target.rows_per_shard, task.advance)
        rows_written = sum(shard.rows or 0 for shard in shards)
        assert rows_written == len(rows), "the input changed while its rows were written"
        mark = {"format": SOURCE, "rows": rows_written, "files": [s.to_json() for s in shards]}
        write_json(mark, stage / MARK)
    return ExportResult(folder, run.manifest.rows.rows_kept, shards, notes)


def _require_swappable_answers(fmt: Format, run_folder: str | Path, count: int) -> None:
    """Raise CurateError where the format cannot exchange the answers of `count` rows."""
    # Before anything is written: a label that cannot be exchanged would be written as it was.
    if count and fmt.side_suffixes is None:
        raise CurateError(
            f"the format '{fmt.name}' cannot represent flipped labels",
            where=str(run_folder),
            found=f"{count} rows with flipped labels",
            fix="use another export format, or run without the filter that flips",
        )


def _check_same_input(run: RunFiles, input_: InputConfig) -> None:
    """Refuse an input of other pairs than the run has read, or of the same in another order.

    Rows are taken by their number: of such an input they would be others.
    """
    # Row numbers of another file would pick other rows, without any error.
    expected = run.manifest.input.fingerprint
    by_content = run.manifest.input.numbered_by_content
    try:
        current = _fingerprint_by_content(input_) if by_content else _fingerprint_by_order(input_)
    except CurateError as error:
        current = f"no pairs: {error.problem}"
    if current != expected:
        raise CurateError(
            "the input has changed since the run",
            where=str(input_.path or input_.hf),
            found=f"fingerprint of its pairs: {current}",
            expected=expected,
            fix="restore the input, or run the pipeline again",
        )


def _fingerprint_by_order(input_: InputConfig) -> str:
    """Fingerprint of an input's pairs, repeated contents numbered as runs of older versions did."""
    fingerprint = Fingerprint()
    for part in read_ahead(stream_pairs(**dict(input_))):
        fingerprint.add(part.frame["pair_id"], label_marks(part.frame))
    return fingerprint.hex()


def _fingerprint_by_content(input_: InputConfig) -> str:
    """Fingerprint of an input's pairs.

    Texts and media pass by; ids and what their numbers depend on lie in a temporary file.
    """
    fingerprint, masks = Fingerprint(), list[NDArray[np.bool_]]()
    with TemporaryDirectory() as folder, ExitStack() as open_files:
        scratch = ScratchSpace(Path(folder))
        writers = [
            open_files.enter_context(closing(scratch.frame_writer(n))) for n in ("ids", "files")
        ]
        for part in read_ahead(stream_pairs(**dict(input_))):
            labels = label_columns(part.frame).with_columns(label_marks(part.frame))
            masks.append(part.has_published_id())
            writers[0].write(labels)
            writers[1].write(part.origins)
        ids, files = (writer.frame() for writer in writers)
        numbered, _ = number_by_content(ids, np.concatenate(masks), files, scratch)
        for rows in batch_slices(len(numbered), BATCH_ROWS):
            fingerprint.add(numbered["pair_id"][rows], numbered["mark"][rows])
    return fingerprint.hex()


def _weights_lost(run: RunFiles, target: ExportTarget) -> tuple[str, ...]:
    """The warning that rows as published carry no weights, where the kept pairs have some.

    Raises:
        CurateError: rows or columns are asked for.
    """
    if target.weights not in (None, "none"):
        raise CurateError(
            "source rows cannot have weights",
            where="--weights",
            found=target.weights,
            expected="none",
            fix="use another export format",
        )
    names = [name for name in WEIGHTS if name in run.columns()]
    if not names or target.weights == "none":
        return ()
    return (f"{' and '.join(names)} of the pairs are lost: rows as published carry none",)


def _input_of(run: RunFiles) -> InputConfig:
    """Return the input of the run's rows.

    Raises:
        CurateError: from several sources, or from where credentials are needed.
    """
    inputs = run.manifest.inputs
    if len(inputs) > 1:
        raise CurateError(
            "a mixture has several sources",
            where=str(run.folder),
            found=f"{len(inputs)} sources",
            fix="use another export format, or run each source separately",
        )
    input_ = InputConfig.model_validate(inputs[0])
    if is_masked(input_.path or ""):
        raise CurateError(
            "the run does not store credentials, so its input cannot be read again",
            where=str(input_.path),
            fix="copy the input to a folder, and run the pipeline on it",
        )
    return input_


def _write_rows(
    frames: Iterator[tuple[str, pl.DataFrame]],
    stage: Path,
    rows_per_shard: int,
    advance: Callable[[int], None],
) -> list[ShardFile]:
    """Return rows of each kind into shards of their own, the first kind's in `kept/`."""
    # A folder may hold JSON and Parquet: rows of each kind go to shards of their own.
    writers: dict[str, ShardWriter] = {}
    with ExitStack() as open_files:
        for kind, frame in frames:
            if kind not in writers:
                place = stage / (f"{KEPT}-{kind}" if writers else KEPT)
                writer = ShardWriter(place, kind, rows_per_shard)
                writers[kind] = open_files.enter_context(writer)
            writers[kind].write(frame)
            advance(len(frame))
    return [shard for writer in writers.values() for shard in writer.shards]


def _source_format(name: str, input_: InputConfig) -> Format:
    return MappedColumns(input_.columns) if name == MappedColumns.name else get_format(name)()


def _kept_rows(run: RunFiles) -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
    """Return file and row of all rows to write, and of those with a flipped label."""
    origins = run.scores(None)
    if "row" not in origins.columns or not run.manifest.inputs:
        raise CurateError(
            "the run has no source files",
            where=str(run.folder),
            fix="use a pipeline with an input: pairs from memory have no source files",
        )
    origins = origins.select("pair_id", "file", "row")
    # By file and number of the row: rows of some formats have no id of their own.
    rows: set[tuple[str, int]] = set()
    flipped: set[tuple[str, int]] = set()
    for batch in run.kept_batches():
        extra = pl.col("extra")
        kept_pairs = batch.select(
            "pair_id",
            flip=extra.str.json_path_match("$.flipped") == "true",
            rows=extra.str.json_path_match("$.rows"),
            files=extra.str.json_path_match("$.files"),
        ).join(origins, on="pair_id", how="left", maintain_order="left")
        for file, row, flip, several, files in kept_pairs.select(
            "file", "row", "flip", "rows", "files"
        ).iter_rows():
            # A pair that `consensus` made of several votes stands for all their rows.
            numbers = orjson.loads(several) if several else [row]
            # Its rows may be in several files.
            names = orjson.loads(files) if several and files else [file] * len(numbers)
            rows.update(zip(names, numbers, strict=True))
            if flip:
                flipped.add((file, row))
    return rows, flipped


def _iter_kept_rows(
    input_: InputConfig,
    fmt: Format,
    rows: set[tuple[str, int]],
    flipped: set[tuple[str, int]],
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield kind and frame of the requested rows of each block."""
    for source in input_sources(input_):
        for block in source.blocks():
            numbers = _row_numbers(block)
            at = [i for i, number in enumerate(numbers) if (source.label, number) in rows]
            if not at:
                continue
            turned = [(source.label, numbers[i]) in flipped for i in at]
            yield _take_rows(block, fmt, at, turned)


def _row_numbers(block: RowBlock) -> list[int]:
    if isinstance(block, (PythonBlock, ArrowBlock)):
        return list(block.numbers)
    raise TypeError(f"rows of {type(block).__name__} have no numbers")


def _take_rows(
    block: RowBlock, fmt: Format, at: list[int], turned: list[bool]
) -> tuple[str, pl.DataFrame]:
    """Return the rows at these positions, with answers swapped where the label was flipped."""
    if isinstance(block, PythonBlock):
        lines = []
        for i, turn in zip(at, turned, strict=True):
            row = block.rows[i]
            lines.append(_swap_answers(row, fmt) if turn else row)
        return _TEXT, _line_numbers(lines)
    assert isinstance(block, ArrowBlock)
    frame = pl.DataFrame(pl.from_arrow(block.table.take(pa.array(at))))
    if any(turned):
        mark = pl.Series(turned)
        swaps = fmt.swapped_columns(frame.columns)
        frame = frame.with_columns(
            pl.when(mark).then(pl.col(b)).otherwise(pl.col(a)).alias(a) for a, b in swaps.items()
        )
    return _COLUMNAR, frame


def _swap_answers(row: JsonObject, fmt: Format) -> JsonObject:
    swaps = fmt.swapped_columns(list(row))
    return {key: row[swaps.get(key, key)] for key in row}


def _line_numbers(rows: list[JsonObject]) -> pl.DataFrame:
    """Return JSON lines, which the writer copies unchanged."""
    return pl.DataFrame({RAW_LINE: [orjson.dumps(row).decode() for row in rows]})
