"""Counts the kinds of content in pairs besides plain texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import polars as pl

from curate.data.attachments import ATTACHMENTS, MEDIA_COLUMNS, nonempty_attachments
from curate.data.messages import MESSAGE_CONTENT_KINDS, content_kinds, decode_message
from curate.data.table import BATCH_ROWS

FILE_BYTES = "bytes of media"
"""Media that are in the table themselves, and no paths or URLs."""
TURNS = ("prompt", "chosen", "rejected")
ALL_CONTENT_KINDS = (*MESSAGE_CONTENT_KINDS, *ATTACHMENTS, FILE_BYTES)


def count_content_kinds(pairs: pl.DataFrame) -> Counter[str]:
    """Return how many pairs hold each kind of content, in the order of `ALL_CONTENT_KINDS`."""
    return count_content_kinds_streaming(pairs.iter_slices(BATCH_ROWS))


def count_content_kinds_streaming(frames: Iterable[pl.DataFrame]) -> Counter[str]:
    """Return the same for pairs that arrive in frames of a few thousand."""
    counts: Counter[str] = Counter()
    for frame in frames:
        counts.update(_count_batch(frame))
    return Counter({part: counts[part] for part in ALL_CONTENT_KINDS if counts[part]})


def _count_batch(pairs: pl.DataFrame) -> Counter[str]:
    counts: Counter[str] = Counter()
    for row in _turns_beyond_text(pairs).iter_rows():
        counts.update(
            {
                p
                for turns in row
                for m in turns or ()
                if m["more"]
                for p in _message_content_kinds(m)
            }
        )
    for name in nonempty_attachments(pairs):
        counts[name] = len(pairs) - pairs[name].null_count()
    counts[FILE_BYTES] = _count_embedded_media(pairs)
    return counts


def _message_content_kinds(message: Mapping[str, Any]) -> Iterator[str]:
    return content_kinds(decode_message(message))


def _turns_beyond_text(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return the turns of the pairs with a message that is more than its text."""
    more = pl.element().struct.field("more").is_not_null()
    turns = pairs.select(pl.col(c) for c in TURNS if c in pairs.columns)
    some = [pl.col(c).list.eval(more).list.any().fill_null(False) for c in turns.columns]
    # Most messages are plain text, and decoding one takes longer than finding out.
    return turns.filter(pl.any_horizontal(some)) if some else turns


def _count_embedded_media(pairs: pl.DataFrame) -> int:
    """Return the number of pairs with media whose bytes are in the table."""
    data = pl.element().struct.field("bytes").is_not_null()
    media = [c for c in nonempty_attachments(pairs) if c in MEDIA_COLUMNS]
    if not media:
        return 0
    some = [pl.col(c).list.eval(data).list.any().fill_null(False) for c in media]
    return int(pairs.select(pl.any_horizontal(some).sum()).item())
