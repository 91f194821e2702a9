"""Scores of single rows from earlier runs: one row more costs one row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.hashes import hash_bytes

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
        self.reused = 0

    def find(self, rows: slice) -> pl.DataFrame:
        """Return the cached scores of these pairs, with their positions in a further column."""
        keys = self._keys(rows)
        values = self._store.get(keys)
        positions = [i for i, key in enumerate(keys) if key in values]
        self.reused += len(positions)
        texts = pl.Series([values[keys[i]].decode() for i in positions], dtype=pl.String)
        frame = texts.str.json_decode(pl.Struct(self._schema)).struct.unnest()
        return frame.with_columns(pl.Series(_AT, positions, dtype=pl.Int64))

    def cached_mask(self, rows: slice, cached: pl.DataFrame) -> pl.Series:
        """Return whether each of these pairs has a cached score."""
        mask = np.zeros(rows.stop - rows.start, dtype=bool)
        mask[cached[_AT].to_numpy()] = True
        return pl.Series(mask)

    def merge(
        self, rows: slice, cached: pl.DataFrame, computed: pl.DataFrame | None
    ) -> pl.DataFrame:
        """Store the computed scores; return cached and computed ones in the pairs' order."""
        if computed is None:
            return cached.drop(_AT)
        computed = computed.select(pl.col(name).cast(dtype) for name, dtype in self._schema.items())
        positions = (~self.cached_mask(rows, cached)).arg_true().cast(pl.Int64)
        texts = computed.select(t=pl.struct(pl.all()).struct.json_encode())["t"].to_list()
        keys = self._keys(rows)
        self._store.put([keys[i] for i in positions], [text.encode() for text in texts])
        all_scores = pl.concat([cached, computed.with_columns(positions.alias(_AT))])
        return all_scores.sort(_AT).drop(_AT)

    def _keys(self, rows: slice) -> list[bytes]:
        data = self._pairs[rows].tobytes()
        size = self._pairs.itemsize
        return [hash_bytes(self._prefix + data[i : i + size]) for i in range(0, len(data), size)]
