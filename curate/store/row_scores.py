"""Scores of single rows from earlier runs: one row more costs one row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.hashes import key_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.store.rows import RowStore

_AT = "__at__"


class RowScores:
    """What a row scorer gave to rows, under a hash of the row's values and of the scorer.

    Args:
        store: holds them, as JSON.
        prefix: hash of all that the scores depend on besides the row.
        keys: (pairs,) hash of each pair of the run.
        dtypes: of the scorer's columns.
    """

    def __init__(
        self,
        store: RowStore,
        prefix: bytes,
        keys: NDArray[np.bytes_],
        dtypes: dict[str, pl.DataType],
    ) -> None:
        self._store, self._prefix, self._pairs = store, prefix, keys
        self._schema = pl.Schema(dtypes)
        self.taken = 0

    def find(self, rows: slice) -> pl.DataFrame:
        """The known scores among these pairs, and in a column more where they stand."""
        keys = self._keys(rows)
        found = self._store.get(keys)
        at = [i for i, key in enumerate(keys) if key in found]
        self.taken += len(at)
        texts = pl.Series([found[keys[i]].decode() for i in at], dtype=pl.String)
        frame = texts.str.json_decode(pl.Struct(self._schema)).struct.unnest()
        return frame.with_columns(pl.Series(_AT, at, dtype=pl.Int64))

    def known(self, rows: slice, found: pl.DataFrame) -> pl.Series:
        """Whether each of these pairs is among the found."""
        mask = np.zeros(rows.stop - rows.start, dtype=bool)
        mask[found[_AT].to_numpy()] = True
        return pl.Series(mask)

    def merged(self, rows: slice, found: pl.DataFrame, made: pl.DataFrame | None) -> pl.DataFrame:
        """Found and made scores in the order of the pairs; what was made is kept."""
        if made is None:
            return found.drop(_AT)
        made = made.select(pl.col(name).cast(dtype) for name, dtype in self._schema.items())
        at = (~self.known(rows, found)).arg_true().cast(pl.Int64)
        texts = made.select(t=pl.struct(pl.all()).struct.json_encode())["t"].to_list()
        keys = self._keys(rows)
        self._store.put([keys[i] for i in at], [text.encode() for text in texts])
        both = pl.concat([found, made.with_columns(at.alias(_AT))])
        return both.sort(_AT).drop(_AT)

    def _keys(self, rows: slice) -> list[bytes]:
        data = self._pairs[rows].tobytes()
        size = self._pairs.itemsize
        return [key_of(self._prefix + data[i : i + size]) for i in range(0, len(data), size)]
