"""Converts the rows of a source to pairs without ids, in this process or in a worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import polars as pl

from curate.data.attachments import MEDIA_COLUMNS, REJECTED_MEDIA, nonempty_attachments
from curate.data.media_answers import media_answer_mask
from curate.data.table import MESSAGES, PAIR_COLUMNS, content_hashes
from curate.errors import CurateError, first_line
from curate.read.formats import ERROR, NO_PAIR, ROW, Format, get_format
from curate.read.formats.base import BoundFormat, complete_pair_columns
from curate.read.formats.repeated_prompt import strip_repeated_prompt
from curate.read.media_placeholders import expand_media_placeholders
from curate.read.origin_columns import add_origins
from curate.read.sources import RowBlock, RowSource

CONTENT_HASH = "__key__"
"""Column of content hashes, null in a block whose data gives all ids."""
_CONVERTED: dict[str, pl.DataType] = {
    **PAIR_COLUMNS,
    ROW: pl.Int64(),
    ERROR: pl.String(),
    NO_PAIR: pl.String(),
}
_SHAPE_ERRORS = (IndexError, KeyError, TypeError, ValueError)
"""What code for one shape raises on another."""
_MAX_WORKER_BYTES = 256 << 20
"""Largest file that a worker reads: its rows come back in one piece."""


@dataclass
class ReadCounts:
    """What is counted while blocks are read, here or by a worker.

    Attributes:
        rows: that were read, broken ones included.
        replaced: rows with texts that are no valid Unicode.
        notes: what the user should know of the files.
        row_notes: what the format notes about rows, with the number of rows.
    """

    rows: int = 0
    replaced: int = 0
    notes: dict[str, None] = field(default_factory=dict)
    row_notes: Counter[str] = field(default_factory=Counter)

    def count_rows(self, blocks: Iterable[RowBlock]) -> Iterator[RowBlock]:
        """Yield the blocks, of which each is counted as it comes."""
        for block in blocks:
            self.rows += len(block)
            self.replaced += block.replaced
            self.notes |= dict.fromkeys(block.notes)
            yield block

    def add(self, other: ReadCounts) -> None:
        """Add the counts of another reading."""
        self.rows += other.rows
        self.replaced += other.replaced
        self.notes |= other.notes
        self.row_notes.update(other.row_notes)


@dataclass(frozen=True)
class SourceRows:
    """What a worker read of one source: converted rows block by block, and what it counted."""

    frames: list[pl.DataFrame]
    counts: ReadCounts


def is_worker_sized(source: RowSource) -> bool:
    """Return whether the source is a file that is not too large to come back in one piece."""
    size = source.size() if source.size is not None else None
    return size is not None and size <= _MAX_WORKER_BYTES


def file_stamp(source: RowSource) -> tuple[int, int] | None:
    """Return size and time of change of a local file; None for other sources and missing files."""
    try:
        status = source.file.stat() if source.file is not None else None
    except OSError:
        return None
    return None if status is None else (status.st_size, status.st_mtime_ns)


def read_source(
    fmt: BoundFormat | None, source: RowSource, stamp: tuple[int, int] | None
) -> SourceRows | None:
    """Return all rows of a source, converted.

    Args:
        fmt: the format of all sources.
        source: what to read.
        stamp: of the file where the run was started.

    Returns:
        None where this machine has no such file, or another one by that name.
    """
    # Changed since the first rows were looked at: the format found then may be wrong.
    if fmt is None or file_stamp(source) != stamp:
        return None
    counts = ReadCounts()
    fmt = replace(fmt, options=replace(fmt.options, row_notes=counts.row_notes))
    blocks = counts.count_rows(source.blocks())
    return SourceRows(list(convert_blocks(lambda: fmt, blocks, source.label)), counts)


def convert_blocks(
    fmt: Callable[[], BoundFormat | None], blocks: Iterable[RowBlock], label: str
) -> Iterator[pl.DataFrame]:
    """Yield the rows of each block, or of all together where pairs are made of several rows.

    Args:
        fmt: the format, once the first block has come; None where no row shows one.
        blocks: of one source.
        label: of the source.

    Yields:
        Pair columns, `ROW`, `ERROR`, `NO_PAIR` and `KEY`, the broken rows among them.
    """
    buffered: list[pl.DataFrame] = []
    for block in blocks:
        block_format = fmt()
        # A file with only broken rows has no format; any will do to report them.
        rows = block.frame(block_format or BoundFormat(get_format("trl")()))
        if block_format is not None and block_format.format.needs_all_rows:
            buffered.append(rows)
        else:
            yield convert_rows(block_format, rows, label)
    if buffered:
        yield convert_rows(fmt(), concatenate_blocks(buffered), label)


def concatenate_blocks(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Join blocks of rows; a text column may hold texts in one and messages in another.

    The kind of most rows counts; the others are malformed.
    """
    frames = [frame for frame in frames if len(frame)] or frames[:1]
    types: dict[str, Counter[pl.DataType]] = {}
    for frame in frames:
        for column in frame:
            not_null_count = len(column) - column.null_count()
            types.setdefault(column.name, Counter())[column.dtype] += not_null_count
    for name, kinds in types.items():
        if MESSAGES in kinds and len(kinds) > 1:
            common_type = MESSAGES if kinds[MESSAGES] * 2 > kinds.total() else pl.String()
            frames = [_cast_column(frame, name, common_type) for frame in frames]
    return pl.concat(frames, how="diagonal_relaxed")


def _cast_column(frame: pl.DataFrame, name: str, kind: pl.DataType) -> pl.DataFrame:
    """Return the frame with a column of that type; rows of another kind are malformed."""
    if name not in frame.columns or frame.schema[name] == kind:
        return frame
    problem = f"'{name}' is of another kind (text or messages) than in most rows"
    wrong = pl.when(pl.col(name).is_not_null()).then(pl.lit(problem))
    return frame.with_columns(
        pl.coalesce(ERROR, wrong).alias(ERROR), pl.lit(None, dtype=kind).alias(name)
    )


def convert_rows(fmt: BoundFormat | None, rows: pl.DataFrame, label: str) -> pl.DataFrame:
    """Return rows as pairs of the columns that `convert_blocks` yields.

    Args:
        fmt: the format; None where no row shows one.
        rows: rows as a block gives them, broken ones included.
        label: of their source.
    """
    broken = rows.filter(pl.col(ERROR).is_not_null()).select(ROW, ERROR)
    readable = rows.filter(pl.col(ERROR).is_null()).drop(ERROR)
    converted = pl.DataFrame(schema=_CONVERTED)
    if len(readable) and fmt is not None:
        converted = _convert_or_bisect(fmt, readable, label)
    return pl.concat([_add_content_hashes(converted), broken], how="diagonal")


def _add_content_hashes(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with content hashes, from which ids are made where the data gives none."""
    keys = pl.Series(CONTENT_HASH, [None] * len(rows), dtype=pl.Binary)
    is_pair = rows.select(w=pl.col(ERROR).is_null() & pl.col(NO_PAIR).is_null())["w"]
    valid_pairs = rows.filter(is_pair)
    if valid_pairs["pair_id"].null_count():
        hashes = pl.Series(content_hashes(valid_pairs), dtype=pl.Binary)
        keys = (
            hashes.alias(CONTENT_HASH)
            if len(hashes) == len(keys)
            else keys.scatter(is_pair.arg_true(), hashes)
        )
    return rows.with_columns(keys)


def _convert_or_bisect(bound: BoundFormat, rows: pl.DataFrame, label: str) -> pl.DataFrame:
    """Return the rows as the format converts them; a row that it cannot convert has an error.

    Formats compute on whole columns, where one value of an unexpected shape ends the
    computation: the rows are then halved until only the odd one is left.
    """
    fmt, options = bound.format, bound.options
    try:
        # A format whose answers are media has placed those of the row among them.
        answer_media = MEDIA_COLUMNS if fmt.media_columns else ()
        converted = add_origins(fmt.convert(rows, options), rows, options.origin_columns)
        is_single = fmt.has_single_answers(rows)
        if not (fmt.answers_may_start_with_user or is_single):
            converted = strip_repeated_prompt(converted)
        completed = complete_pair_columns(converted, label, is_single)
        pairs = _add_attachments(completed, rows.drop(answer_media))
        return expand_media_placeholders(_list_unused_rows(pairs, rows, fmt))
    except CurateError:
        raise
    except (pl.exceptions.PolarsError, *_SHAPE_ERRORS) as error:
        # A format that joins rows into pairs cannot leave one out.
        if fmt.needs_all_rows:
            raise CurateError(
                f"the rows are not of the shape that '{fmt.name}' has",
                where=label,
                found=first_line(error),
                expected=f"columns {', '.join(bound.columns())} as published",
            ) from None
        if len(rows) > 1:
            # Halves of halves: one odd row is found by a few conversions, not by one a row.
            half = len(rows) // 2
            halves = (
                _convert_or_bisect(bound, half_rows, label)
                for half_rows in (rows[:half], rows[half:])
            )
            return pl.concat(halves, how="vertical")
        problem = f"not of the shape that '{fmt.name}' has: {first_line(error)}"
        empty = {name: [None] for name in _CONVERTED} | {ROW: rows[ROW].to_list(), ERROR: [problem]}
        return pl.DataFrame(empty, schema=_CONVERTED)


def _list_unused_rows(pairs: pl.DataFrame, rows: pl.DataFrame, fmt: Format) -> pl.DataFrame:
    """Return the pairs and, listed, each row of which the format said nothing: none may be lost."""
    if fmt.needs_all_rows or pairs[ROW].n_unique() == len(rows):
        return pairs
    unused_rows = rows.join(pairs, on=ROW, how="anti").select(
        ROW, pl.lit(f"the row makes no pair by the format '{fmt.name}'").alias(NO_PAIR)
    )
    return pl.concat([pairs, unused_rows], how="diagonal").sort(ROW, maintain_order=True)


def _add_attachments(pairs: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the pairs with tools, media and arguments of their rows, for every format."""
    attachments = nonempty_attachments(rows)
    if not attachments:
        return pairs
    of_rows = rows.select(ROW, *attachments)
    joined = pairs.drop(attachments).join(of_rows, on=ROW, how="left", maintain_order="left")
    return _drop_repeated_media(joined.select(pairs.columns))


def _drop_repeated_media(pairs: pl.DataFrame) -> pl.DataFrame:
    """Drop the rejected answer's media if they are the pair's: ms-swift lists them twice."""
    columns = nonempty_attachments(pairs)
    for column, rejected_column in REJECTED_MEDIA.items():
        if rejected_column in columns:
            repeated = pairs[column].eq_missing(pairs[rejected_column]) & ~media_answer_mask(
                pairs, column
            )
            only_if_new = pl.when(~pl.lit(repeated)).then(rejected_column).alias(rejected_column)
            pairs = pairs.with_columns(only_if_new)
    return pairs
