"""Traits of pairs on which the chance of a wrong label may depend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.hashes import select_in_batches
from curate.data.json_fields import SLOT_KEY, extra_value
from curate.data.table import messages_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONGER, FIRST = "right answer is longer", "right answer stood first"
_ORIENTED = ("length", "slot")
"""Kinds of traits that the other answer of a pair has with the opposite sign."""
_FEWEST, _MAX_VALUES = 5, 20
"""Judged pairs of a source or annotator that can show its own rate; such values at most."""


@dataclass(frozen=True)
class Traits:
    """Columns of traits, each 1, -1 or 0, or 0 and 1; those of an answer are of the chosen one.

    Attributes:
        names: of the columns, for people.
        kinds: of each column: length, slot, source or annotator; columns of one kind matter alike.
        values: (pairs, columns).
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    values: NDArray[np.float32]

    @property
    def signs(self) -> NDArray[np.float64]:
        """(columns,) -1 where the rejected answer has the opposite value, else 1."""
        return np.array([-1.0 if kind in _ORIENTED else 1.0 for kind in self.kinds])


def pair_traits(pairs: pl.DataFrame, verdicts: NDArray[np.bool_]) -> Traits:
    """Whether the chosen answer is longer, its slot, and source and annotator of the label.

    A column is there where judged pairs of either kind show what it is worth.

    Args:
        pairs: the pair table.
        verdicts: (pairs,) whether a person judged each pair.
    """
    sizes = (messages_text(side).str.len_chars().cast(pl.Int64) for side in ("chosen", "rejected"))
    chosen, rejected = sizes
    slot = extra_value(SLOT_KEY).cast(pl.Int64, strict=False)
    table = select_in_batches(
        pairs,
        pl.col("source", "annotator"),
        size=(chosen - rejected).sign(),
        slot=slot.fill_null(0),
    )
    slots = table["slot"].to_numpy()
    columns: list[tuple[str, str, NDArray[np.float32]]] = [
        (LONGER, "length", table["size"].to_numpy().astype(np.float32)),
        (FIRST, "slot", np.select([slots == 1, slots == 2], [1.0, -1.0], 0.0)),
    ]
    for kind in ("source", "annotator"):
        columns += _indicators(kind, table[kind], verdicts)
    varied = [c for c in columns if np.ptp(c[2][verdicts]) > 0]
    values = np.stack([v for _, _, v in varied], axis=1) if varied else np.zeros((len(pairs), 0))
    names, kinds = tuple(n for n, _, _ in varied), tuple(k for _, k, _ in varied)
    return Traits(names, kinds, values.astype(np.float32))


def _indicators(
    kind: str, values: pl.Series, verdicts: NDArray[np.bool_]
) -> list[tuple[str, str, NDArray[np.float32]]]:
    """A column for each value that stands in several judged pairs."""
    counts = values.filter(pl.Series(verdicts)).drop_nulls().value_counts(sort=True)
    common = counts.filter(pl.col("count") >= _FEWEST)[values.name].head(_MAX_VALUES)
    return [
        (f"{kind} {name}", kind, values.eq_missing(name).to_numpy().astype(np.float32))
        for name in common
    ]
