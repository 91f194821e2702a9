"""Reads preference data of any known form into the pair table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import polars as pl
import pyarrow as pa

from curate.context import Progress, SilentProgress
from curate.errors import CurateError
from curate.formats import ERROR, ROW, Format, detect, get_format
from curate.formats.base import RowSample, finish
from curate.formats.columns import ColumnMapping, MappedColumns
from curate.formats.rule import RankingRule
from curate.pairs import PAIR_COLUMNS, empty_pairs, to_arrow, with_pair_ids
from curate.sources import Source, find_sources, is_saved_dataset

_SAMPLE_ROWS = 100
_SHOWN_ERRORS = 5
REJECTED_COLUMNS: dict[str, pl.DataType] = {
    "file": pl.String(),
    "row": pl.Int64(),
    "reason": pl.String(),
}


@dataclass
class Pairs:
    """The pairs of a data set and the rows that were no pairs.

    Attributes:
        frame: the pair table, columns and types of `PAIR_COLUMNS`.
        rejected: file, row (counted from 1) and reason of every row that could not be read.
        format: the name of the format that was found or given.
        rows_read: rows read from the files; a row of several votes gives several pairs.
    """

    frame: pl.DataFrame
    rejected: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=REJECTED_COLUMNS))
    format: str = "pairs"
    rows_read: int = 0

    def __len__(self) -> int:
        return len(self.frame)

    def to_arrow(self) -> pa.Table:
        """The pair table in Arrow."""
        return to_arrow(self.frame)


def read_pairs(
    path: str | None = None,
    *,
    hf: str | None = None,
    format: str = "auto",
    columns: ColumnMapping | dict[str, object] | None = None,
    ranking: RankingRule | dict[str, object] | None = None,
    config: str | None = None,
    split: str | None = None,
    revision: str | None = None,
    on_error: Literal["stop", "skip"] = "stop",
    limit: int | None = None,
    progress: Progress | None = None,
) -> Pairs:
    """Read preference pairs from files or from the hub.

    Args:
        path: file, glob, folder, fsspec URL, or a folder written by `Dataset.save_to_disk`.
        hf: instead of a path, a data set of the hub as owner/name.
        format: name of a format, or "auto" to find it from the first rows.
        columns: mapping of columns for the format "columns".
        ranking: how rankings of several answers become pairs; default the best and the worst.
        config: configuration of the hub's data set.
        split: split of a hub or saved data set; default the only one, or "train".
        revision: revision of the hub's data set.
        on_error: "stop" raises at the first batch that holds a malformed row; "skip" reports such
            rows in `Pairs.rejected` and goes on.
        limit: read at most this many pairs.
        progress: where progress is shown.

    Raises:
        CurateError: nothing to read, no known format, a malformed row under "stop", no pair at all.
    """
    if isinstance(columns, dict):
        columns = ColumnMapping.model_validate(columns)
    if not isinstance(ranking, RankingRule):
        ranking = RankingRule.model_validate(ranking or {})
    sources = _sources(path, hf, config, split, revision)
    reader = _Reader(format, columns, ranking, on_error)
    with (progress or SilentProgress()).task("read", limit) as task:
        for batch in reader.batches(sources):
            task.advance(len(batch))
            if limit is not None and reader.pairs >= limit:
                break
    return reader.result(limit)


def _sources(
    path: str | None, hf: str | None, config: str | None, split: str | None, revision: str | None
) -> list[Source]:
    if (path is None) == (hf is None):
        raise CurateError("give either a path or a hub name", where="input", expected="path or hf")
    if path is None:
        from curate.sources.hub import hub_source

        return [hub_source(str(hf), config, split, revision)]
    if is_saved_dataset(path):
        from curate.sources.hub import saved_source

        return [saved_source(path, split)]
    return find_sources(path)


class _Reader:
    """Collects pairs and rejected rows over the blocks of all sources."""

    def __init__(
        self,
        name: str,
        mapping: ColumnMapping | None,
        ranking: RankingRule,
        on_error: Literal["stop", "skip"],
    ) -> None:
        self._name, self._mapping, self._on_error = name, mapping, on_error
        self._ranking = ranking
        self._frames: list[pl.DataFrame] = []
        self._rejected: list[pl.DataFrame] = []
        self.format: Format | None = None
        self.pairs = 0
        self.rows = 0

    def batches(self, sources: list[Source]) -> Iterator[pl.DataFrame]:
        for source in sources:
            for block in source.blocks():
                if self.format is None and block.sample(1):
                    self.format = self._choose(block.sample(_SAMPLE_ROWS), source.label)
                    self.format.ranking = self._ranking
                self.rows += len(block)
                # A file of broken rows alone has no format; any will do to report them.
                rows = block.frame(self.format or get_format("trl")())
                yield self._take(rows, source.label)

    def _choose(self, sample: RowSample, where: str) -> Format:
        if self._name == "auto" and self._mapping is None:
            return detect(sample, where)
        if self._name in ("auto", "columns"):
            chosen: Format = MappedColumns(self._mapping)
        else:
            chosen = get_format(self._name)()
        if not chosen.matches(sample):
            found = ", ".join(sorted({key for row in sample for key in row}))
            raise CurateError(
                f"the data is not of the format '{chosen.name}'",
                where=where,
                found=f"columns {found}",
                expected=f"columns {', '.join(chosen.columns())}",
            )
        return chosen

    def _take(self, rows: pl.DataFrame, label: str) -> pl.DataFrame:
        broken = rows.filter(pl.col(ERROR).is_not_null()).select(ROW, ERROR)
        whole = rows.filter(pl.col(ERROR).is_null()).drop(ERROR)
        pairs = empty_pairs()
        if len(whole) and self.format is not None:
            done = finish(self.format.convert(whole), label)
            broken = pl.concat(
                [broken, done.filter(pl.col(ERROR).is_not_null()).select(ROW, ERROR)]
            )
            pairs = done.filter(pl.col(ERROR).is_null()).with_columns(_file=pl.lit(label))
        if len(broken):
            self._reject(broken, label)
        self._frames.append(pairs)
        self.pairs += len(pairs)
        return pairs

    def _reject(self, broken: pl.DataFrame, label: str) -> None:
        rejected = broken.sort(ROW).select(
            file=pl.lit(label), row=pl.col(ROW), reason=pl.col(ERROR)
        )
        if self._on_error == "stop":
            raise malformed(rejected)
        self._rejected.append(rejected)

    def result(self, limit: int | None) -> Pairs:
        frames = [f for f in self._frames if len(f)]
        rejected = pl.concat([pl.DataFrame(schema=REJECTED_COLUMNS), *self._rejected])
        if not frames:
            found = f"{self.rows} rows, {len(rejected)} of them malformed"
            raise CurateError("no pair was read", where="input", found=found, expected="pairs")
        frame = pl.concat(frames).head(limit if limit is not None else self.pairs)
        frame, repeated = _split_repeated(frame)
        if len(repeated):
            if self._on_error == "stop":
                raise malformed(repeated)
            rejected = pl.concat([rejected, repeated])
        name = self.format.name if self.format else self._name
        return Pairs(with_pair_ids(frame.select(list(PAIR_COLUMNS))), rejected, name, self.rows)


def _split_repeated(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows whose given pair_id is new, and a report on those whose id occurred before."""
    given = pl.col("pair_id").is_not_null()
    first = ~given | pl.col("pair_id").is_first_distinct()
    reason = pl.format("pair_id '{}' occurred before; expected a new one or none", "pair_id")
    repeated = frame.filter(~first).select(file="_file", row=ROW, reason=reason)
    return frame.filter(first), repeated


def malformed(rejected: pl.DataFrame) -> CurateError:
    """The error for malformed rows: the first few, and how to go on without them."""
    lines = [f"row {r['row']}: {r['reason']}" for r in rejected.head(_SHOWN_ERRORS).to_dicts()]
    more = len(rejected) - len(lines)
    if more > 0:
        lines.append(f"and {more} more in this batch")
    return CurateError(
        "malformed rows",
        where=str(rejected["file"][0]),
        found="; ".join(lines),
        fix="mend the rows, or go on without them with on_error: skip (they are then listed "
        "in rejected_rows.parquet)",
    )
