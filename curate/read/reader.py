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
    KEY,
    ReadCounts,
    SourceRows,
    convert_blocks,
    file_stamp,
    is_worker_sized,
    read_source,
)
from curate.read.embedded_json import parse_embedded_json_in_rows
from curate.read.formats import ERROR, NO_PAIR, ROW, Format, detect_format, get_format
from curate.read.formats.base import RowSample
from curate.read.formats.columns import ColumnMapping, MappedColumns
from curate.read.formats.ranking_config import RankingRule
from curate.read.formats.registry import (
    detect_json_text,
    matches_embedded_json,
    matches_most_rows,
    matches_sample,
)
from curate.read.media_files import MediaFileCheck
from curate.read.notes import empty_files_note, replaced_text_note
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
from curate.read.sources import Block, Source
from curate.read.sources.python_block import PythonBlock
from curate.read.unused_text_check import UnusedTextCheck
from curate.steps.workers import Workers

# Rows by which the format is known: rare columns may be empty in the first few.
_SAMPLE_ROWS = 100
# An error names the first few; rejected_rows.parquet holds all.
_SHOWN_ERRORS = 5
_SHOWN_REASONS = 3
_OTHER = (
    "{file}: its rows are not of the format '{format}', which the first file has: read files of "
    "another format by themselves, or as a mixture (a list under input)"
)
_APART = (
    "{alone} rows have no partner in their file, and {files} files are read: if rows of one prompt "
    "stand in several files, put them into one"
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
        self._tally = ReadCounts()
        self._media, self._doubts, self._lost = MediaFileCheck(), QualityNotes(), UnusedTextCheck()
        self._strength = AnswerStrength()
        self._folder: Path | None = None
        self._group: BlockGroup | None = None
        self._folders: list[Path] = []
        self.format: Format | None = None
        # Files whose first rows are of another format.
        self._others: set[str] = set()
        self._empty: list[str] = []
        self.pairs = self._files = self._alone = 0

    def batches(self, sources: list[Source], workers: Workers | None = None) -> Iterator[Pairs]:
        """The pairs of each block, or of each source whose pairs are made of several rows.

        Args:
            sources: in order.
            workers: read files of moderate size, each its own; by default all is read here.

        Raises:
            CurateError: no known format, or a malformed row under "stop".
        """
        self._files, last = len(sources), None
        for rows, locate in self._converted_rows(sources, workers):
            part = self._take(rows, locate)
            yield part
            # Without its rows, which would be held while the next part is made.
            last = part.cleared()
            del part
        # Notes come with pairs: the last files may have had none.
        if last is not None and last.notes != self.notes:
            yield replace(last.cleared(), notes=self.notes)

    def _converted_rows(self, sources: list[Source], workers: Workers | None) -> Iterator[Located]:
        """The rows of all sources in order, those of small files together."""
        read = self._read_elsewhere(sources, workers) if workers else iter([None] * len(sources))
        for source, worker_rows in zip(sources, read, strict=True):
            if source.folder != self._folder or worker_rows is not None:
                yield from self._convert_group()
            self._tally.notes |= dict.fromkeys(source.notes)
            self._folder = source.folder
            if source.folder is not None and source.folder not in self._folders:
                self._folders.append(source.folder)
            before = self._tally.rows
            if worker_rows is None:
                yield from self._here(source)
            else:
                self._tally.add(worker_rows.tally)
                locate = partial(locate_in_file, source.label)
                yield from ((frame, locate) for frame in worker_rows.frames)
            if self._tally.rows == before:
                self._empty.append(source.label)
        yield from self._convert_group()

    def _read_elsewhere(
        self, sources: list[Source], workers: Workers
    ) -> Iterator[SourceRows | None]:
        """The rows of each source that a worker read; None for those that are to be read here."""
        fmt = self._settled(sources)
        given = [fmt is not None and is_worker_sized(source) for source in sources]
        some = [source for source, sent in zip(sources, given, strict=True) if sent]
        found = workers.map(partial(read_source, fmt), some, map(file_stamp, some))
        for sent in given:
            yield next(found) if sent else None

    def _settled(self, sources: list[Source]) -> Format | None:
        """The format, chosen by the first rows there are."""
        for source in sources:
            for block in source.blocks():
                self._look_at(block, source.label)
                if self.format is not None:
                    return self.format
        return None

    def _here(self, source: Source) -> Iterator[Located]:
        """The converted rows of a source; those of small blocks wait for others to join them."""

        def looked_at() -> Iterator[Block]:
            for number, block in enumerate(source.blocks()):
                self._look_at(block, source.label)
                if number == 0 and not self._fits(block):
                    self._others.add(source.label)
                yield block

        blocks = self._tally.count(looked_at())
        for block in blocks:
            small = small_block(block) if self.format and not self.format.needs_all_rows else None
            if small is not None:
                yield from self._add_to_group(*small, source.label)
                continue
            yield from self._convert_group()
            every_block = chain([block], blocks)
            for rows in convert_blocks(lambda: self.format, every_block, source.label):
                yield rows, partial(locate_in_file, source.label)

    def _add_to_group(
        self, block: PythonBlock, shape: Shape, size: int, label: str
    ) -> Iterator[Located]:
        """Let a block wait; a group that does not accept it is converted first."""
        if self._group is not None and not self._group.accepts(shape, block, size):
            yield from self._convert_group()
        if self._group is None:
            self._group = BlockGroup(shape)
        self._group.add(block, label, size)

    def _convert_group(self) -> Iterator[Located]:
        """The rows of the blocks that wait."""
        group, self._group = self._group, None
        if group is not None:
            yield from group.convert(self.format)

    def _look_at(self, block: Block, label: str) -> None:
        """Choose the format by the first rows, where none has been chosen."""
        if self.format is None and (sample := block.sample(_SAMPLE_ROWS)):
            self.format = self._choose(sample, label)
            self._doubts.look_at(sample, self.format.columns())
            self._strength.find_columns(sample)
            self._lost.look_at(block.numbers, sample, label)
            self.format.ranking = self._ranking
            self.format.counts = self._tally.counts

    def _fits(self, block: Block) -> bool:
        """Whether the first rows of a file are of the format that was chosen by another one's."""
        sample = block.sample(_SAMPLE_ROWS)
        fmt = self.format
        if fmt is None or not sample or matches_most_rows(fmt, sample):
            return True
        return fmt.json_as_text and matches_most_rows(fmt, parse_embedded_json_in_rows(sample)[0])

    def _choose(self, sample: RowSample, where: str) -> Format:
        if self._name == "auto" and self._mapping is None:
            return detect_format(sample, where)
        if self._name in ("auto", "columns"):
            chosen: Format = MappedColumns(self._mapping)
        else:
            chosen = get_format(self._name)()
        if not (
            matches_sample(chosen, sample)
            or matches_embedded_json(chosen, *parse_embedded_json_in_rows(sample))
        ):
            found = ", ".join(sorted({key for row in sample for key in row}))
            raise CurateError(
                f"the data is not of the format '{chosen.name}'",
                where=where,
                found=f"columns {found}",
                expected=f"columns {', '.join(chosen.columns())}",
            )
        detect_json_text(chosen, sample)
        return chosen

    def _take(self, rows: pl.DataFrame, locate: Locate) -> Pairs:
        malformed_rows = select_rejected_rows(rows.drop_nulls(ERROR), ERROR, locate)
        if len(malformed_rows) and self._on_error == "stop":
            raise malformed_rows_error(malformed_rows)
        silent = select_rejected_rows(rows.drop_nulls(NO_PAIR), NO_PAIR, locate)
        self._alone += len(silent)
        rejected = pl.concat([malformed_rows, silent])
        for label in rejected["file"].unique(maintain_order=True):
            if label in self._others:
                name = self.format.name if self.format else self._name
                self._tally.notes[_OTHER.format(file=label, format=name)] = None
        pairs = rows.filter(pl.col(ERROR).is_null(), pl.col(NO_PAIR).is_null())
        return self._with_ids(pairs, rejected, locate)

    def _with_ids(self, pairs: pl.DataFrame, rejected: pl.DataFrame, locate: Locate) -> Pairs:
        """Ids of the pairs; those whose given id occurred before are rejected."""
        new = self._ids.new(pairs["pair_id"])
        if not new.all():
            reason = pl.format(
                "pair_id '{}' occurred before; expected a new one or none", "pair_id"
            )
            repeated = select_rejected_rows(pairs.filter(~new), reason, locate)
            if self._on_error == "stop":
                raise malformed_rows_error(repeated)
            pairs, rejected = pairs.filter(new), pl.concat([rejected, repeated])
        pairs = self._strength.fill(pairs)
        self._media.look(pairs, self._folder)
        self._doubts.count(pairs)
        origins = locate(pairs[ROW])
        self._lost.check(pairs, origins)
        self._reasons.update(rejected["reason"].to_list())
        self.pairs += len(pairs)
        return Pairs(
            self._ids.give(pairs.select(list(PAIR_COLUMNS)), pairs[KEY]),
            rejected,
            origins,
            self.format.name if self.format else self._name,
            self._tally.rows,
            self.notes,
            tuple(self._folders),
            published_mask=pairs["pair_id"].is_not_null().to_numpy(),
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of what was read so far."""
        counted = (f"{n:,} {text}" for text, n in self._tally.counts.items())
        notes = (
            *self._tally.notes,
            *empty_files_note(self._empty),
            *counted,
            *self._media.notes(),
            *self._strength.notes(),
            *self._doubts.notes(),
        )
        # A pair is looked for in the rows of one file: all files at once may be too much to hold.
        if (
            self.format is not None
            and self.format.needs_all_rows
            and self._files > 1
            and self._alone
        ):
            notes += (_APART.format(alone=f"{self._alone:,}", files=f"{self._files:,}"),)
        return (*notes, *self._lost.notes(), *replaced_text_note(self._tally.replaced))

    def nothing_read(self) -> CurateError:
        """The error for sources without a single pair."""
        rejected = self._reasons.total()
        found = f"{self._tally.rows} rows, {rejected} of them malformed or without a pair"
        for reason, count in self._reasons.most_common(_SHOWN_REASONS):
            found += f"; {count}: {reason}"
        return CurateError("no pair was read", where="input", found=found, expected="pairs")


def select_rejected_rows(rows: pl.DataFrame, reason: str | pl.Expr, locate: Locate) -> pl.DataFrame:
    """Rows of the columns of `REJECTED_COLUMNS`, in the file's order."""
    rows = rows.sort(ROW, maintain_order=True)
    reasons = pl.col(reason) if isinstance(reason, str) else reason
    return locate(rows[ROW]).with_columns(rows.select(reason=reasons)["reason"])


def malformed_rows_error(rejected: pl.DataFrame) -> CurateError:
    """The error for malformed rows: the first few, and how to go on without them."""
    file = str(rejected["file"][0])
    rejected = rejected.filter(pl.col("file") == file)
    lines = [f"row {r['row']}: {r['reason']}" for r in rejected.head(_SHOWN_ERRORS).to_dicts()]
    more = len(rejected) - len(lines)
    if more > 0:
        lines.append(f"and {more} more in this batch")
    return CurateError(
        "malformed rows",
        where=file,
        found="; ".join(lines),
        fix="mend the rows, or go on without them with on_error: skip (they are then listed "
        "in rejected_rows.parquet)",
    )
