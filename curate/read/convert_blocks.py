"""From the rows of a source to pairs that have no ids yet, here or by a worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import polars as pl

from curate.data.media_answers import are_media
from curate.data.row_parts import MEDIA_PARTS, REJECTED_MEDIA, present
from curate.data.table import MESSAGES, PAIR_COLUMNS, content_hashes
from curate.errors import CurateError, first_line
from curate.read.formats import ERROR, NO_PAIR, ROW, Format, get_format
from curate.read.formats.base import complete_pair_columns
from curate.read.formats.repeated_prompt import strip_repeated_prompt
from curate.read.media_placeholders import expand_media_placeholders
from curate.read.sources import Block, Source

KEY = "__key__"
"""Column of content hashes, null in a block whose data gives all ids."""
_CONVERTED: dict[str, pl.DataType] = {
    **PAIR_COLUMNS,
    ROW: pl.Int64(),
    ERROR: pl.String(),
    NO_PAIR: pl.String(),
}
_SHAPE_ERRORS = (IndexError, KeyError, TypeError, ValueError)
"""What code for one shape raises on another."""
_MOST_BYTES = 256 << 20
"""Of a file that a worker reads: what it found comes back as a whole."""


@dataclass
class ReadCounts:
    """What is counted while blocks are read, here or by a worker.

    Attributes:
        rows: that were read, broken ones included.
        replaced: rows with texts that are no valid Unicode.
        notes: what the user should know of the files.
        counts: what the format tells, and of how many rows.
    """

    rows: int = 0
    replaced: int = 0
    notes: dict[str, None] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def count(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """The blocks, of which each is counted as it comes."""
        for block in blocks:
            self.rows += len(block)
            self.replaced += block.replaced
            self.notes |= dict.fromkeys(block.notes)
            yield block

    def add(self, other: ReadCounts) -> None:
        """Count what was read elsewhere."""
        self.rows += other.rows
        self.replaced += other.replaced
        self.notes |= other.notes
        self.counts.update(other.counts)


@dataclass(frozen=True)
class SourceRows:
    """What a worker read of one source: converted rows block by block, and what it counted."""

    frames: list[pl.DataFrame]
    tally: ReadCounts


def is_worker_sized(source: Source) -> bool:
    """Whether the source is a file that is not too large to come back in one piece."""
    size = source.size() if source.size is not None else None
    return size is not None and size <= _MOST_BYTES


def file_stamp(source: Source) -> tuple[int, int] | None:
    """Size and time of change of a local file; None of other sources, and where none is there."""
    try:
        found = source.file.stat() if source.file is not None else None
    except OSError:
        return None
    return None if found is None else (found.st_size, found.st_mtime_ns)


def read_source(
    fmt: Format | None, source: Source, stamp: tuple[int, int] | None
) -> SourceRows | None:
    """All rows of a source, converted.

    Args:
        fmt: the format of all sources.
        source: what to read.
        stamp: of the file where the run was started.

    Returns:
        None where this machine has no such file, or another one by that name.
    """
    if fmt is None or file_stamp(source) != stamp:
        return None
    tally = ReadCounts()
    fmt.counts = tally.counts
    blocks = tally.count(source.blocks())
    return SourceRows(list(convert_blocks(lambda: fmt, blocks, source.label)), tally)


def convert_blocks(
    fmt: Callable[[], Format | None], blocks: Iterable[Block], label: str
) -> Iterator[pl.DataFrame]:
    """The rows of each block, or of all together where pairs are made of several rows.

    Args:
        fmt: the format, once the first block has come; None where no row shows one.
        blocks: of one source.
        label: of the source.

    Yields:
        Pair columns, `ROW`, `ERROR`, `NO_PAIR` and `KEY`, the broken rows among them.
    """
    held: list[pl.DataFrame] = []
    for block in blocks:
        own = fmt()
        # A file of broken rows alone has no format; any will do to report them.
        rows = block.frame(own or get_format("trl")())
        if own is not None and own.needs_all_rows:
            held.append(rows)
        else:
            yield _converted(own, rows, label)
    if held:
        yield _converted(fmt(), _as_one(held), label)


def _as_one(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Blocks of one file as a whole, whose text columns may hold texts in one, messages in another.

    The kind of most rows counts; the others are malformed.
    """
    frames = [frame for frame in frames if len(frame)] or frames[:1]
    types: dict[str, Counter[pl.DataType]] = {}
    for frame in frames:
        for column in frame:
            known = len(column) - column.null_count()
            types.setdefault(column.name, Counter())[column.dtype] += known
    for name, kinds in types.items():
        if MESSAGES in kinds and len(kinds) > 1:
            most = MESSAGES if kinds[MESSAGES] * 2 > kinds.total() else pl.String()
            frames = [_of_kind(frame, name, most) for frame in frames]
    return pl.concat(frames, how="diagonal_relaxed")


def _of_kind(frame: pl.DataFrame, name: str, kind: pl.DataType) -> pl.DataFrame:
    """The frame with a column of that type; rows of another kind are malformed."""
    if name not in frame.columns or frame.schema[name] == kind:
        return frame
    told = f"'{name}' is of another kind (text or messages) than in most rows"
    wrong = pl.when(pl.col(name).is_not_null()).then(pl.lit(told))
    return frame.with_columns(
        pl.coalesce(ERROR, wrong).alias(ERROR), pl.lit(None, dtype=kind).alias(name)
    )


def _converted(fmt: Format | None, rows: pl.DataFrame, label: str) -> pl.DataFrame:
    broken = rows.filter(pl.col(ERROR).is_not_null()).select(ROW, ERROR)
    whole = rows.filter(pl.col(ERROR).is_null()).drop(ERROR)
    done = pl.DataFrame(schema=_CONVERTED)
    if len(whole) and fmt is not None:
        done = _pairs_of(fmt, whole, label)
    return pl.concat([_with_keys(done), broken], how="diagonal")


def _with_keys(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with content hashes, from which ids are made where the data gives none."""
    keys = pl.Series(KEY, [None] * len(rows), dtype=pl.Binary)
    pairs = rows.select(w=pl.col(ERROR).is_null() & pl.col(NO_PAIR).is_null())["w"]
    some = rows.filter(pairs)
    if some["pair_id"].null_count():
        made = pl.Series(content_hashes(some), dtype=pl.Binary)
        keys = made.alias(KEY) if len(made) == len(keys) else keys.scatter(pairs.arg_true(), made)
    return rows.with_columns(keys)


def _pairs_of(fmt: Format, rows: pl.DataFrame, label: str) -> pl.DataFrame:
    """What the format makes of the rows; those that it cannot convert are errors of their own.

    Formats compute on whole columns, where one value of a shape that nobody thought of ends the
    computation: the rows are then halved until the one that is to blame stands alone.
    """
    try:
        # A format whose answers are media has placed those of the row among them.
        own = MEDIA_PARTS if fmt.media_columns else ()
        made = fmt.convert(rows)
        if not fmt.answers_may_start_with_user:
            made = strip_repeated_prompt(made)
        pairs = _with_parts(complete_pair_columns(made, label), rows.drop(own))
        return expand_media_placeholders(_with_the_rest(pairs, rows, fmt))
    except CurateError:
        raise
    except (pl.exceptions.PolarsError, *_SHAPE_ERRORS) as error:
        if fmt.needs_all_rows:
            raise CurateError(
                f"the rows are not of the shape that '{fmt.name}' has",
                where=label,
                found=first_line(error),
                expected=f"columns {', '.join(fmt.columns())} as published",
            ) from None
        if len(rows) > 1:
            half = len(rows) // 2
            parts = (_pairs_of(fmt, part, label) for part in (rows[:half], rows[half:]))
            return pl.concat(parts, how="vertical")
        told = f"not of the shape that '{fmt.name}' has: {first_line(error)}"
        empty = {name: [None] for name in _CONVERTED} | {ROW: rows[ROW].to_list(), ERROR: [told]}
        return pl.DataFrame(empty, schema=_CONVERTED)


def _with_the_rest(pairs: pl.DataFrame, rows: pl.DataFrame, fmt: Format) -> pl.DataFrame:
    """The pairs and, listed, each row of which the format said nothing: none may be lost."""
    if fmt.needs_all_rows or pairs[ROW].n_unique() == len(rows):
        return pairs
    rest = rows.join(pairs, on=ROW, how="anti").select(
        ROW, pl.lit(f"the row makes no pair by the format '{fmt.name}'").alias(NO_PAIR)
    )
    return pl.concat([pairs, rest], how="diagonal").sort(ROW, maintain_order=True)


def _with_parts(pairs: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The pairs with tools, media and arguments of their rows, whatever the format kept of them."""
    parts = present(rows)
    if not parts:
        return pairs
    of_rows = rows.select(ROW, *parts)
    joined = pairs.drop(parts).join(of_rows, on=ROW, how="left", maintain_order="left")
    return _without_repeated_media(joined.select(pairs.columns))


def _without_repeated_media(pairs: pl.DataFrame) -> pl.DataFrame:
    """The pairs whose rejected answer speaks of the same media, once: ms-swift lists them twice."""
    found = present(pairs)
    for column, other in REJECTED_MEDIA.items():
        if other in found:
            repeated = pairs[column].eq_missing(pairs[other]) & ~are_media(pairs, column)
            alone = pl.when(~pl.lit(repeated)).then(other).alias(other)
            pairs = pairs.with_columns(alone)
    return pairs
