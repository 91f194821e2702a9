"""Hash keys of texts and rows, computed in batches since texts may be memory-mapped."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.attachments import MEDIA_COLUMNS, attachment_keys
from curate.data.table import BATCH_ROWS, MESSAGES, batch_slices, messages_key, text_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEY_BYTES = 16
# Two 64-bit hashes make one of 128 bits, in which no two texts of a set meet by chance.
_FIRST_SEED, _SECOND_SEED = 1, 2
_HALF = 2**64
_PART_SEED, _ROWS_A_PART = 3, 1 << 18
# A null is no empty text: each has a sign of its own.
_PART_END, _NULL = "\x1d", "\x1c"


def select_in_batches(frame: pl.DataFrame, *columns: pl.Expr, **named: pl.Expr) -> pl.DataFrame:
    """Return `frame.select(...)` for expressions of single rows, computed batch by batch.

    A frame whose columns lie in a mapped file is so read from end to end without being held.

    Examples:
        >>> frame = pl.DataFrame({"a": [1, 2]})
        >>> select_in_batches(frame, double=pl.col("a") * 2)["double"].to_list()
        [2, 4]
    """
    starts = range(0, max(len(frame), 1), BATCH_ROWS)
    return pl.concat(
        [frame[start : start + BATCH_ROWS].select(*columns, **named) for start in starts]
    )


def hash_halves(text: pl.Expr) -> list[pl.Expr]:
    """Return two 64-bit hashes of a text, `first` and `second`, which together identify it."""
    return [text.hash(_FIRST_SEED).alias("first"), text.hash(_SECOND_SEED).alias("second")]


def hash_128(text: pl.Expr) -> pl.Expr:
    """Return the 128-bit hash of a text as Int128, stable within one version of polars."""
    return _join_halves(text.hash(_FIRST_SEED), text.hash(_SECOND_SEED))


def _join_halves(first: pl.Expr, second: pl.Expr) -> pl.Expr:
    """Return the 128-bit hash of two halves."""
    # Signed, since an unsigned half times 2^64 overflows an Int128.
    return first.reinterpret(signed=True).cast(pl.Int128) * _HALF + second.cast(pl.Int128)


def content_keys(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return 128-bit keys of prompt, chosen, rejected and the unordered answers (low <= high).

    Two keys are equal where `text_keys` are.
    """
    return _hashed_keys(pairs, "prompt", "chosen", "rejected").with_columns(
        low=pl.min_horizontal("chosen", "rejected"), high=pl.max_horizontal("chosen", "rejected")
    )


def vote_keys(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return the keys that identify votes on the same two answers, 18 bytes a pair.

    64-bit hashes `prompt` and `pair` (of prompt and unordered answers), whether the answers
    `differ`, and whether the preferred one is the `first` of both by their hashes. In three of a
    million sets of 10 million pairs two share a hash by chance.
    """
    return pl.concat(vote_keys_in_batches(pairs))


def vote_keys_in_batches(pairs: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield `vote_keys` of a few thousand pairs at a time; at least one frame."""
    starts = range(0, max(len(pairs), 1), BATCH_ROWS)
    return (_vote_keys(pairs[start : start + BATCH_ROWS]) for start in starts)


def _vote_keys(pairs: pl.DataFrame) -> pl.DataFrame:
    keys = text_keys(pairs).select(pl.all().hash(_FIRST_SEED))
    low, high = pl.min_horizontal("chosen", "rejected"), pl.max_horizontal("chosen", "rejected")
    return keys.select(
        "prompt",
        pair=pl.struct("prompt", low=low, high=high).hash(_SECOND_SEED),
        differ=low != high,
        first=pl.col("chosen") == low,
    )


def prompt_keys(pairs: pl.DataFrame) -> pl.Series:
    """Return 128-bit keys of the prompts with tools and media of their rows, (pairs,)."""
    return _hashed_keys(pairs, "prompt")["prompt"]


def same_answers(pairs: pl.DataFrame) -> pl.Series:
    """Return whether chosen and rejected are equal in everything, (pairs,) bool."""
    keys = _hashed_keys(pairs, "chosen", "rejected")
    return (keys["chosen"] == keys["rejected"]).alias("same")


def _hashed_keys(pairs: pl.DataFrame, *names: str) -> pl.DataFrame:
    starts = range(0, max(len(pairs), 1), BATCH_ROWS)
    rows = (text_keys(pairs[start : start + BATCH_ROWS]) for start in starts)
    return pl.concat([keys.select(hash_128(pl.col(c)) for c in names) for keys in rows])


def numbers_by_key(
    keys: pl.Series, out: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return numbers from 0 in the order of the distinct keys, independent of the row order.

    Args:
        keys: (rows,) hashes.
        out: (rows,) array for the numbers; default a new one.

    Returns:
        (rows,) number of each row's key, and (distinct,) the row where each number first stands.
    """
    numbers, first = numbers_by_appearance(keys, out)
    order = keys.gather(first).arg_sort().to_numpy()
    rank = np.empty(len(order), dtype=np.int64)
    # Numbers follow the keys and not the rows, so that they are the same for any order of the file.
    rank[order] = np.arange(len(order))
    for rows in batch_slices(len(numbers), _ROWS_A_PART):
        numbers[rows] = rank[numbers[rows]]
    return numbers, first[order]


def numbers_by_appearance(
    values: pl.Series | pl.DataFrame, out: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return numbers from 0 in the order in which distinct values first appear.

    Args:
        values: of any type; or their `hash_halves`, which may lie in a mapped file.
        out: (rows,) array for the numbers; default a new one.

    Returns:
        (rows,) number of each row's value, and (distinct,) the row where each number first stands.
    """
    count = len(values)
    # A part of the values at a time: all at once would take a hundred bytes a row.
    parts = count // _ROWS_A_PART + 1
    part_of_row = np.empty(count, dtype=np.min_scalar_type(parts))
    spans = batch_slices(count, _ROWS_A_PART)
    for span in spans:
        part_of_row[span] = (_hash_rows(values, span) % parts).to_numpy()
    small = np.min_scalar_type(count)
    appears = np.empty(count, dtype=small)
    for number in range(parts):
        rows = np.flatnonzero(part_of_row == number)
        appears[rows] = rows[_first_of_equals(_gather_values(values, rows))]
    del part_of_row
    number_of, firsts, next_number = np.empty(count, dtype=small), [], 0
    for span in spans:
        first_rows = span.start + np.flatnonzero(appears[span] == np.arange(span.start, span.stop))
        number_of[first_rows] = np.arange(next_number, next_number + len(first_rows))
        next_number += len(first_rows)
        # Half as long as the numbers that are given back: all spans lie beside them.
        firsts.append(first_rows.astype(small))
    numbers = np.empty(count, dtype=np.int64) if out is None else out
    for span in spans:
        numbers[span] = number_of[appears[span]]
    del number_of, appears
    return numbers, np.concatenate([np.zeros(0, dtype=small), *firsts]).astype(np.int64)


def _hash_rows(values: pl.Series | pl.DataFrame, rows: slice) -> pl.Series:
    """Return a 64-bit hash of each of these values."""
    return values[rows].hash(_PART_SEED) if isinstance(values, pl.Series) else values["first"][rows]


def _gather_values(values: pl.Series | pl.DataFrame, rows: NDArray[np.int64]) -> pl.Series:
    """Return the values of these rows; hash halves are joined."""
    if isinstance(values, pl.Series):
        return values.gather(rows)
    halves = pl.DataFrame([column.gather(rows) for column in values])
    return halves.select(whole=_join_halves(pl.col("first"), pl.col("second")))["whole"]


def _first_of_equals(values: pl.Series) -> NDArray[np.int64]:
    """Return, for each row, the first row with the same value."""
    order = values.arg_sort()
    ranked = values.gather(order)
    differs = ranked.ne_missing(ranked.shift(1)).to_numpy()
    starts = np.flatnonzero(np.append(True, differs[1:])[: len(differs)])
    rows = order.to_numpy().astype(np.int64)
    first = np.minimum.reduceat(rows, starts) if len(starts) else rows
    out = np.empty(len(rows), dtype=np.int64)
    out[rows] = np.repeat(first, np.diff(np.append(starts, len(rows))))
    return out


def row_keys(frame: pl.DataFrame) -> NDArray[np.bytes_]:
    """Return a 16-byte hash of each row's values, (rows,), stable within one version of polars."""
    frame = _with_media_keys(frame)
    halves = hash_halves(_row_text(frame.schema))
    both = np.empty((len(frame), len(halves)), dtype=np.uint64)
    for rows in batch_slices(len(frame), BATCH_ROWS):
        both[rows] = frame[rows].select(halves).to_numpy()
    return both.view(f"S{KEY_BYTES}")[:, 0]


def _with_media_keys(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with keys instead of media, which can be megabytes a row."""
    return frame.with_columns(_media_keys(frame)).drop(MEDIA_COLUMNS, strict=False)


def _media_keys(frame: pl.DataFrame) -> list[pl.Series]:
    """Return the column of media keys, if some row has media."""
    media = pl.DataFrame([frame[c] for c in MEDIA_COLUMNS if c in frame.columns])
    keys = attachment_keys(media)
    return [] if keys is None else [keys.alias("media")]


def hash_bytes(text: bytes) -> bytes:
    """Return the 16-byte hash of a text."""
    return blake2b(text, digest_size=KEY_BYTES).digest()


def _row_text(schema: pl.Schema) -> pl.Expr:
    parts = []
    for name, dtype in schema.items():
        text = messages_key(name) if dtype == MESSAGES else pl.col(name).cast(pl.String)
        parts.append(pl.when(pl.col(name).is_null()).then(pl.lit(_NULL)).otherwise(text))
    names = _PART_END.join(schema)
    return pl.concat_str(pl.lit(names), *parts, separator=_PART_END)
