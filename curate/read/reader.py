"""Turns blocks of rows into pairs with ids, block by block."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Literal

import polars as pl

from curate.data.table import PAIR_COLUMNS, PairIds
from curate.errors import CurateError
from curate.read.answer_strength import AnswerStrength
from curate.read.convert_blocks import (
    CONTENT_HASH,
    ReadCounts,
    SourceRows,
    convert_blocks,
    file_stamp,
    is_worker_sized,
    read_source,
)
from curate.read.embedded_json import parse_embedded_json_in_rows
from curate.read.formats import ERROR, NO_PAIR, ROW, Format, detect_format, get_format
from curate.read.formats.base import BoundFormat, RowSample
from curate.read.formats.columns import ColumnMapping, MappedColumns
from curate.read.formats.ranking_config import RankingRule
from curate.read.formats.registry import (
    bind_format,
    matches_embedded_json,
    matches_most_rows,
    matches_sample,
)
from curate.read.joined_files import JoinedFiles
from curate.read.media_files import MediaFileCheck
from curate.read.notes import empty_files_note, replaced_text_note
from curate.read.origin_columns import find_origin_columns
from curate.read.pair_dataset import Pairs
from curate.read.quality_notes import QualityNotes
from curate.read.small_blocks import (
    BlockGroup,
    Locate,
    Located,
    Shape,
    locate_in_file,
    small_block,
)
from curate.read.sources import RowBlock, RowSource
from curate.read.sources.python_block import PythonBlock
from curate.read.unused_text_check import UnusedTextCheck
from curate.steps.workers import Workers

# Rows by which the format is detected: rare columns may be empty in the first few.
_SAMPLE_ROWS = 100
# An error names only the first few; rejected_rows.parquet lists all of them.
_MAX_NAMED_ERRORS = 5
_MAX_NAMED_REASONS = 3
_OTHER_FORMAT_NOTE = (
    "{file}: its rows are not of the format '{format}' of the first file: read files of another "
    "format separately, or as a mixture (a list under input)"
)


class Reader:
    """Reads sources block by block; ids and the format hold over all of them.

    Args:
        name: of a format, or "auto".
        mapping: of columns, for the format "columns".
        ranking: how rankings become pairs.
        on_error: "stop" raises at the first block with a malformed row, "skip" lists such rows.
    """

    def __init__(
        self,
        name: str,
        mapping: ColumnMapping | None,
        ranking: RankingRule,
        on_error: Literal["stop", "skip"],
    ) -> None:
        self._name, self._mapping, self._on_error = name, mapping, on_error
        self._ranking = ranking
        self._ids = PairIds()
        self._reasons: Counter[str] = Counter()
        self._counts = ReadCounts()
        self._media, self._doubts, self._unused_texts = (
            MediaFileCheck(),
            QualityNotes(),
            UnusedTextCheck(),
        )
        self._strength = AnswerStrength()
        self._folder: Path | None = None
        self._group: BlockGroup | None = None
        self._folders: list[Path] = []
        self.format: BoundFormat | None = None
        # Files whose first rows are of another format.
        self._other_format_files: set[str] = set()
        self._empty_files: list[str] = []
        self._joined_files = JoinedFiles()
        self.pairs = self._files = 0

    def batches(self, sources: list[RowSource], workers: Workers | None = None) -> Iterator[Pairs]:
        """Yield the pairs of each block, or of each source whose pairs are made of several rows.

        Args:
            sources: in order.
            workers: read files of moderate size, each its own; by default all is read here.

        Raises:
            CurateError: no known format, or a malformed row under "stop".
        """
        self._files, last = len(sources), None
        for rows, locate in self._converted_rows(sources, workers):
            batch = self._take_rows(rows, locate)
            yield batch
            # Without its rows, which would be held while the next part is made.
            last = batch.cleared()
            del batch
        # Notes come with pairs: the last files may have had none.
        if last is not None and last.notes != self.notes:
            yield replace(last.cleared(), notes=self.notes)

    def _converted_rows(
        self, sources: list[RowSource], workers: Workers | None
    ) -> Iterator[Located]:
        """Yield the rows of all sources in order, those of small files together."""
        read_by_workers = (
            self._read_by_workers(sources, workers) if workers else iter([None] * len(sources))
        )
        for source, worker_rows in zip(sources, read_by_workers, strict=True):
            if source.folder != self._folder or worker_rows is not None:
                yield from self._convert_group()
            self._counts.notes |= dict.fromkeys(source.notes)
            self._folder = source.folder
            if source.folder is not None and source.folder not in self._folders:
                self._folders.append(source.folder)
            rows_before = self._counts.rows
            if worker_rows is None:
                yield from self._convert_source(source)
            else:
                self._counts.add(worker_rows.counts)
                locate = partial(locate_in_file, source.label)
                yield from ((frame, locate) for frame in worker_rows.frames)
            if self._counts.rows == rows_before:
                self._empty_files.append(source.label)
        yield from self._convert_group()
        if self.format is not None:
            yield from self._joined_files.convert(self.format)

    def _read_by_workers(
        self, sources: list[RowSource], workers: Workers
    ) -> Iterator[SourceRows | None]:
        """Yield the rows of each source that a worker read; None if it is to be read here."""
        fmt = self._settle_format(sources)
        is_joined = fmt is None or self._joins_files(fmt)
        goes_to_worker = [not is_joined and is_worker_sized(source) for source in sources]
        worker_sources = [
            source for source, is_sent in zip(sources, goes_to_worker, strict=True) if is_sent
        ]
        results = workers.map(
            partial(read_source, fmt), worker_sources, map(file_stamp, worker_sources)
        )
        for is_sent in goes_to_worker:
            yield next(results) if is_sent else None

    def _settle_format(self, sources: list[RowSource]) -> BoundFormat | None:
        """Return the format, chosen by the first rows there are."""
        for source in sources:
            for block in source.blocks():
                self._inspect_block(block, source.label)
                if self.format is not None:
                    return self.format
        return None

    def _convert_source(self, source: RowSource) -> Iterator[Located]:
        """Yield the converted rows of a source; small blocks are grouped with others."""

        def inspected_blocks() -> Iterator[RowBlock]:
            for number, block in enumerate(source.blocks()):
                self._inspect_block(block, source.label)
                if number == 0 and not self._matches_format(block):
                    self._other_format_files.add(source.label)
                yield block

        blocks = self._counts.count_rows(inspected_blocks())
        for block in blocks:
            if self.format is not None and self._joins_files(self.format):
                self._joined_files.add(block.frame(self.format), source.label)
                continue
            small = small_block(block) if self._groups_blocks() else None
            if small is not None:
                yield from self._add_to_group(*small, source.label)
                continue
            yield from self._convert_group()
            every_block = chain([block], blocks)
            for rows in convert_blocks(lambda: self.format, every_block, source.label):
                yield rows, partial(locate_in_file, source.label)

    def _joins_files(self, fmt: BoundFormat) -> bool:
        """Return whether rows of different files may make a pair."""
        return fmt.format.needs_all_rows and self._files > 1

    def _groups_blocks(self) -> bool:
        """Return whether rows of several files may be converted together under new numbers."""
        fmt = self.format.format if self.format is not None else None
        return fmt is not None and not fmt.needs_all_rows and not fmt.draws_by_row

    def _add_to_group(
        self, block: PythonBlock, shape: Shape, size: int, label: str
    ) -> Iterator[Located]:
        """Add a block to the group; a group that does not accept it is converted first."""
        if self._group is not None and not self._group.accepts(shape, block, size):
            yield from self._convert_group()
        if self._group is None:
            self._group = BlockGroup(shape)
        self._group.add(block, label, size)

    def _convert_group(self) -> Iterator[Located]:
        """Yield the rows of the blocks that wait."""
        group, self._group = self._group, None
        if group is not None:
            yield from group.convert(self.format)

    def _inspect_block(self, block: RowBlock, label: str) -> None:
        """Choose the format by the first rows if none has been chosen."""
        if self.format is None and (sample := block.sample(_SAMPLE_ROWS)):
            self.format = self._bind_options(self._choose_format(sample, label), sample)
            self._doubts.inspect_sample(sample, self.format.columns())
            self._strength.find_columns(sample)
            self._unused_texts.inspect_sample(block.numbers, sample, label)

    def _bind_options(self, chosen: BoundFormat, sample: RowSample) -> BoundFormat:
        """Return the format with the options of this reading."""
        may_name = chosen.format.may_name_origins
        origins = find_origin_columns(sample, chosen.format.columns()) if may_name else {}
        if chosen.format.needs_all_rows:
            # Rows of several annotators may make a pair: it is nobody's alone.
            origins.pop("annotator", None)
        options = replace(
            chosen.options,
            ranking=self._ranking,
            origin_columns=origins,
            row_notes=self._counts.row_notes,
        )
        return replace(chosen, options=options)

    def _matches_format(self, block: RowBlock) -> bool:
        """Return whether the first rows of a file are of the format that was chosen before."""
        sample = block.sample(_SAMPLE_ROWS)
        fmt = self.format
        if fmt is None or not sample or matches_most_rows(fmt.format, sample):
            return True
        return fmt.options.json_as_text and matches_most_rows(
            fmt.format, parse_embedded_json_in_rows(sample)[0]
        )

    def _choose_format(self, sample: RowSample, where: str) -> BoundFormat:
        if self._name == "auto" and self._mapping is None:
            return detect_format(sample, where)
        if self._name in ("auto", "columns"):
            present = {key for row in sample for key in row}
            chosen: Format = MappedColumns(self._mapping, present)
        else:
            chosen = get_format(self._name)()
        json_as_text = not matches_sample(chosen, sample)
        if json_as_text and not matches_embedded_json(chosen, *parse_embedded_json_in_rows(sample)):
            columns = ", ".join(sorted({key for row in sample for key in row}))
            raise CurateError(
                f"the data is not of the format '{chosen.name}'",
                where=where,
                found=f"columns {columns}",
                expected=f"columns {', '.join(chosen.columns())}",
            )
        return bind_format(chosen, sample, json_as_text)

    def _take_rows(self, rows: pl.DataFrame, locate: Locate) -> Pairs:
        malformed_rows = select_rejected_rows(rows.drop_nulls(ERROR), ERROR, locate)
        if len(malformed_rows) and self._on_error == "stop":
            raise malformed_rows_error(malformed_rows)
        without_pair = select_rejected_rows(rows.drop_nulls(NO_PAIR), NO_PAIR, locate)
        rejected = pl.concat([malformed_rows, without_pair])
        for label in rejected["file"].unique(maintain_order=True):
            if label in self._other_format_files:
                name = self.format.name if self.format else self._name
                self._counts.notes[_OTHER_FORMAT_NOTE.format(file=label, format=name)] = None
        pairs = rows.filter(pl.col(ERROR).is_null(), pl.col(NO_PAIR).is_null())
        return self._assign_ids(pairs, rejected, locate)

    def _assign_ids(self, pairs: pl.DataFrame, rejected: pl.DataFrame, locate: Locate) -> Pairs:
        """Give the pairs ids; reject those whose published id occurred before."""
        new = self._ids.is_new(pairs["pair_id"])
        if not new.all():
            reason = pl.format(
                "pair_id '{}' occurred before; expected a new one or none", "pair_id"
            )
            repeated = select_rejected_rows(pairs.filter(~new), reason, locate)
            if self._on_error == "stop":
                raise malformed_rows_error(repeated)
            pairs, rejected = pairs.filter(new), pl.concat([rejected, repeated])
        pairs = self._strength.fill(pairs)
        self._media.check(pairs, self._folder)
        self._doubts.count(pairs)
        origins = locate(pairs[ROW])
        self._unused_texts.check(pairs, origins)
        self._reasons.update(rejected["reason"].to_list())
        self.pairs += len(pairs)
        return Pairs(
            self._ids.fill_missing(pairs.select(list(PAIR_COLUMNS)), pairs[CONTENT_HASH]),
            rejected,
            origins,
            self.format.name if self.format else self._name,
            self._counts.rows,
            self.notes,
            tuple(self._folders),
            published_mask=pairs["pair_id"].is_not_null().to_numpy(),
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on what was read so far."""
        counted_notes = (f"{n:,} {text}" for text, n in self._counts.row_notes.items())
        notes = (
            *self._counts.notes,
            *empty_files_note(self._empty_files),
            *counted_notes,
            *self._media.notes(),
            *self._strength.notes(),
            *self._doubts.notes(),
        )
        return (*notes, *self._unused_texts.notes(), *replaced_text_note(self._counts.replaced))

    def nothing_read(self) -> CurateError:
        """Return the error for sources without a single pair."""
        rejected = self._reasons.total()
        counts = f"{self._counts.rows} rows, {rejected} of them malformed or without a pair"
        for reason, count in self._reasons.most_common(_MAX_NAMED_REASONS):
            counts += f"; {count}: {reason}"
        fix = None
        if any(reason.startswith("the row is a list") for reason in self._reasons):
            fix = "lists have no names of columns: write each row as an object {name: value}"
        elif self.format is not None and self.format.format.answers_format is not None:
            name = self.format.format.answers_format
            fix = f"the format '{name}' reads each answer by itself; KTO needs no pairs (trl_kto)"
        return CurateError(
            "no pair was read",
            where="input",
            found=counts,
            expected="pairs",
            fix=fix,
        )


def select_rejected_rows(rows: pl.DataFrame, reason: str | pl.Expr, locate: Locate) -> pl.DataFrame:
    """Return rows with the columns of `REJECTED_COLUMNS`, in the file's order."""
    rows = rows.sort(ROW, maintain_order=True)
    reasons = pl.col(reason) if isinstance(reason, str) else reason
    return locate(rows[ROW]).with_columns(rows.select(reason=reasons)["reason"])


def malformed_rows_error(rejected: pl.DataFrame) -> CurateError:
    """Return the error for malformed rows: the first few, and how to go on without them."""
    file = str(rejected["file"][0])
    rejected = rejected.filter(pl.col("file") == file)
    lines = [f"row {r['row']}: {r['reason']}" for r in rejected.head(_MAX_NAMED_ERRORS).to_dicts()]
    unnamed_count = len(rejected) - len(lines)
    if unnamed_count > 0:
        lines.append(f"and {unnamed_count} more in this batch")
    return CurateError(
        "malformed rows",
        where=file,
        found="; ".join(lines),
        fix="fix the rows, or set on_error: skip to leave them out (rejected_rows.parquet then "
        "lists them)",
    )
