"""What pairs hold besides plain texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import polars as pl

from curate.data.message_parts import MESSAGE_PARTS, parts_of, whole
from curate.data.row_parts import MEDIA_PARTS, ROW_PARTS, present
from curate.data.table import BATCH_ROWS

FILE_BYTES = "bytes of media"
"""Media that are in the table themselves, and no paths or URLs."""
TURNS = ("prompt", "chosen", "rejected")
ALL_PARTS = (*MESSAGE_PARTS, *ROW_PARTS, FILE_BYTES)


def found_parts(pairs: pl.DataFrame) -> Counter[str]:
    """The parts that some pairs have, and how many pairs have each, in the order of `ALL_PARTS`."""
    return parts_in(pairs.iter_slices(BATCH_ROWS))


def parts_in(frames: Iterable[pl.DataFrame]) -> Counter[str]:
    """The same of pairs that come a few thousand at a time."""
    counts: Counter[str] = Counter()
    for frame in frames:
        counts.update(_found(frame))
    return Counter({part: counts[part] for part in ALL_PARTS if counts[part]})


def _found(pairs: pl.DataFrame) -> Counter[str]:
    counts: Counter[str] = Counter()
    for row in _with_more(pairs).iter_rows():
        counts.update({p for turns in row for m in turns or () if m["more"] for p in _of(m)})
    for name in present(pairs):
        counts[name] = len(pairs) - pairs[name].null_count()
    counts[FILE_BYTES] = _with_bytes(pairs)
    return counts


def _of(message: Mapping[str, Any]) -> Iterator[str]:
    return parts_of(whole(message))


def _with_more(pairs: pl.DataFrame) -> pl.DataFrame:
    """The turns of the pairs in which a message is more than its text."""
    more = pl.element().struct.field("more").is_not_null()
    turns = pairs.select(pl.col(c) for c in TURNS if c in pairs.columns)
    some = [pl.col(c).list.eval(more).list.any().fill_null(False) for c in turns.columns]
    return turns.filter(pl.any_horizontal(some)) if some else turns


def _with_bytes(pairs: pl.DataFrame) -> int:
    """Pairs with media whose bytes are in the table."""
    data = pl.element().struct.field("bytes").is_not_null()
    media = [c for c in present(pairs) if c in MEDIA_PARTS]
    if not media:
        return 0
    some = [pl.col(c).list.eval(data).list.any().fill_null(False) for c in media]
    return int(pairs.select(pl.any_horizontal(some).sum()).item())
