"""The rows that are written for weighted pairs: each pair as often as it was drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import polars as pl

from curate.data.json_fields import with_extra_key
from curate.data.row_selection import RowSelection
from curate.errors import CurateError
from curate.steps.relabel import swap_answers
from curate.write.draws import MOST, Draws, draw_rows
from curate.write.exports.base import DRAW, LABEL_PROBABILITY, WEIGHT, WEIGHTS, Carrier, Export
from curate.write.manifest import ShardFile
from curate.write.shards import write_shards
from curate.write.split_shards import write_split_shards
from curate.write.weighing import Weighing, WeightCounts

_ROW = "row"
"""Field of a draw: how many rows of the pair there are up to this one."""

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class DrawnRows:
    """Pairs as often as they were drawn: first copies of all, then second ones, then other draws.

    Attributes:
        layers: rows with the column `DRAW`, each pair once at most.
    """

    layers: tuple[RowSelection, ...]

    def __len__(self) -> int:
        return sum(map(len, self.layers))

    def iter_batches(self) -> Iterator[pl.DataFrame]:
        """Yield all rows a few thousand at a time; `extra.draw` holds what `DRAW` does."""
        for layer in self.layers:
            yield from map(_with_draw_ids, layer.iter_batches())

    def row_range(self, first: int, end: int) -> DrawnRows:
        """Return the rows from `first` up to `end`."""
        pieces, start = [], 0
        for layer in self.layers:
            span = max(first - start, 0), min(end - start, len(layer))
            if span[0] < span[1]:
                pieces.append(layer.row_range(*span))
            start += len(layer)
        return DrawnRows(tuple(pieces) or (self.layers[0].row_range(0, 0),))


Rows: TypeAlias = RowSelection | DrawnRows
Convert: TypeAlias = Callable[[Iterator[pl.DataFrame]], Iterator[pl.DataFrame]]


def weigh_pairs(pairs: RowSelection, settings: Weighing) -> tuple[Rows, WeightCounts | None]:
    """Return the rows to write, and their counts if the pairs have weights.

    Raises:
        CurateError: a weight that is none, or a probability outside 0 and 1.
    """
    names = [name for name in WEIGHTS if name in pairs.columns]
    if not names and settings.copies == 1:
        return pairs, None
    weights, probabilities = _weight_values(pairs, WEIGHT), _weight_values(pairs, LABEL_PROBABILITY)
    soft = settings.soft_labels if LABEL_PROBABILITY in names else None
    counts = WeightCounts.from_pairs(settings, soft, float(weights.sum()), len(pairs))
    if settings.carrier == "column":
        return pairs, counts
    bare = RowSelection(
        pairs.table.drop(names, strict=False),
        pairs.rows,
        pairs.extra_columns.drop(names, strict=False),
    )
    if settings.carrier == "none":
        return bare, counts
    signed = soft == "signed"
    draws = draw_rows(
        pairs.select(["pair_id"])["pair_id"],
        weights,
        probabilities,
        signed=signed,
        draws=settings.copies,
        seed=settings.seed,
    )
    # The two-sided loss w [p L(m) + (1 - p) L(-m)] has the gradient w (2p - 1) L'(0) at m = 0.
    rates = weights * np.abs(2.0 * probabilities - 1.0) if signed else weights
    return DrawnRows(tuple(_draw_layers(bare, draws))), _count_draws(counts, rates, draws)


@dataclass(frozen=True)
class WeighedRows:
    """The rows of an export.

    Attributes:
        by_split: by name of the split, the one to train on first; under "" where there is none.
        counts: of all rows together, None where the pairs have no weights.
    """

    by_split: Mapping[str, Rows]
    counts: WeightCounts | None

    @classmethod
    def of(cls, by_split: Mapping[str, RowSelection], settings: Weighing) -> WeighedRows:
        """Return rows of the kept pairs of each split; only the first has several copies."""
        rows: dict[str, Rows] = {}
        total: WeightCounts | None = None
        for name, pairs in by_split.items():
            # Several draws of held-out rows would only make their evaluation slower.
            rows[name], counts = weigh_pairs(
                pairs, replace(settings, copies=1) if rows else settings
            )
            if counts is not None:
                total = counts if total is None else total + counts
        return cls(rows, total)

    def __len__(self) -> int:
        return sum(map(len, self.by_split.values()))

    @property
    def is_split(self) -> bool:
        """Return whether there are splits."""
        return "" not in self.by_split

    @property
    def carrier(self) -> Carrier | None:
        """Return what carries the weights; None without weights."""
        return None if self.counts is None else self.counts.carrier

    @property
    def all_rows(self) -> Rows:
        """Return the rows of a run without splits."""
        return self.by_split[""]

    def write(self, convert: Convert, folder: Path, file_type: str, size: int) -> list[ShardFile]:
        """Write the shards; see `write_shards` and `write_split_shards`.

        Args:
            convert: returns the rows of the shards, from batches of pairs.
            folder: the folder to make.
            file_type: "parquet", "jsonl" or "dataset".
            size: maximum rows of a file.
        """
        streams = {name: convert(rows.iter_batches()) for name, rows in self.by_split.items()}
        if self.is_split:
            return write_split_shards(streams, folder, file_type, size)
        return write_shards(streams[""], folder, file_type, size)

    def check(self, form: Export, shards: Sequence[ShardFile]) -> None:
        """Raise RuntimeError unless shards of one row a pair hold all rows, and no others."""
        counts = [shard.rows for shard in shards if shard.rows is not None]
        # A DatasetDict's files do not say how many they hold.
        if not form.row_by_row or len(counts) < len(shards):
            return
        total = sum(counts)
        if total != len(self):
            raise RuntimeError(f"{len(self)} rows were to be written, {total} were")


def _weight_values(pairs: RowSelection, name: str) -> NDArray[np.float64]:
    """Return a column of weights, 1 where it is missing; (pairs,)."""
    if name not in pairs.columns:
        return np.ones(len(pairs))
    values = pairs.select([name])[name].cast(pl.Float64).fill_null(1.0).to_numpy()
    # A NaN fails both comparisons below, and so is refused too.
    most = 1.0 if name == LABEL_PROBABILITY else np.inf
    wrong = ~((values >= 0) & (values <= most) & np.isfinite(values))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise CurateError(
            f"a pair has an impossible {name}",
            where=f"pair {pairs.select(['pair_id'])['pair_id'][row]}",
            found=f"{values[row]:g}, and {int(wrong.sum()) - 1:,} more such values",
            expected="0 to 1" if most == 1.0 else "a finite number, 0 or more",
            fix="see the filter that gives it",
        )
    return values


def _count_draws(counts: WeightCounts, rates: NDArray[np.float64], draws: Draws) -> WeightCounts:
    """Return the counts of rows that were drawn at these rates."""
    undrawn = int((~draws.times.any(axis=0)).sum())
    return replace(
        counts,
        weight=float(rates.sum()),
        undrawn=undrawn,
        rows=int(draws.times.sum(dtype=np.int64)),
        flipped=int(draws.flips.sum(dtype=np.int64)),
        clipped=int((rates > MOST).sum()),
    )


def _draw_layers(pairs: RowSelection, draws: Draws) -> Iterator[RowSelection]:
    """Yield the rows of each copy of each draw; one empty selection if nothing was drawn."""
    earlier = np.zeros(draws.times.shape[1], dtype=np.int64)
    for number, (times, flips) in enumerate(zip(draws.times, draws.flips, strict=True)):
        # The first one comes in any case: its columns are those of the shards.
        for copy in range(max(int(times.max(initial=0)), 1 if number == 0 else 0)):
            chosen = times > copy
            rows = pairs.where(chosen)
            draw = pl.DataFrame(
                {
                    "number": pl.repeat(number + 1, len(rows), dtype=pl.Int32, eager=True),
                    "copy": pl.repeat(copy + 1, len(rows), dtype=pl.Int32, eager=True),
                    "flipped": pl.Series(copy < flips[chosen], dtype=pl.Boolean),
                    _ROW: pl.Series(earlier[chosen] + copy + 1),
                }
            )
            yield rows.with_columns(draw.to_struct(DRAW).to_frame())
        earlier += times


def _with_draw_ids(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with answers swapped where the draw flips the label, and the draw in `extra`."""
    flips = rows[DRAW].struct.field("flipped")
    if flips.any():
        rows = rows.with_columns(swap_answers(rows, flips).get_columns())
    draw = pl.struct(pl.col(DRAW).struct.field("number", "copy", "flipped"))
    row = pl.col(DRAW).struct.field(_ROW)
    # Ids stay unique, so that what was written can be read again.
    later = pl.format("{}-row{}", "pair_id", row)
    return rows.with_columns(
        with_extra_key("extra", "draw", draw.struct.json_encode()),
        pair_id=pl.when(row > 1).then(later).otherwise("pair_id"),
    )
