"""Attachment columns of the pair table: tools, media and template arguments of a whole pair."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from itertools import islice

import numpy as np
import polars as pl

MEDIUM = pl.Struct({"path": pl.String, "bytes": pl.Binary})
"""A path or URL, or the bytes of the file (and then perhaps its name)."""
MEDIA = pl.List(MEDIUM)

TOOLS, ARGUMENTS, DOCUMENTS = "tools", "chat_template_kwargs", "documents"
TEXT_ATTACHMENTS = (TOOLS, ARGUMENTS, DOCUMENTS)
"""Columns of JSON text."""
REJECTED_MEDIA = {
    "images": "rejected_images",
    "videos": "rejected_videos",
    "audios": "rejected_audios",
}
"""The column of the rejected answer's own media for each that is else of both answers; null where
both answers speak of the same media. Where it is not, the first column is the chosen answer's."""
MEDIA_COLUMNS = (*REJECTED_MEDIA, *REJECTED_MEDIA.values())
"""Columns of `MEDIA`."""
ATTACHMENTS: dict[str, pl.DataType] = {
    **dict.fromkeys(TEXT_ATTACHMENTS, pl.String()),
    **dict.fromkeys(MEDIA_COLUMNS, MEDIA),
}

_MOST_BYTES = 1 << 24
"""Bytes in one batch."""
# Rows whose bytes are laid out anew at a time.
_FEW = 64
# 128 bits: no two media of a set meet by chance.
_HASH_BYTES = 16
# ASCII's own separators, which texts hardly hold: two lists of media must not run together.
_PART_END, _ITEM_END, _FIELD_END = "\x1c", "\x1e", "\x1f"


def nonempty_attachments(frame: pl.DataFrame) -> list[str]:
    """Return the attachment columns that have a value in some row."""
    return [c for c in ATTACHMENTS if c in frame.columns and frame[c].null_count() < len(frame)]


def attachment_keys(frame: pl.DataFrame, without: tuple[str, ...] = ()) -> pl.Series | None:
    """Return one text per row that identifies its attachments; None if no row has any.

    Bytes are represented by their hash.
    """
    names = [name for name in nonempty_attachments(frame) if name not in without]
    if not names:
        return None
    columns = [_iter_value_keys(frame[name]) for name in names]
    joined = [
        "".join(f"{_PART_END}{n}{_FIELD_END}{v}" for n, v in zip(names, row, strict=True) if v)
        for row in zip(*columns, strict=True)
    ]
    return pl.Series(joined, dtype=pl.String)


def is_url(path: str) -> bool:
    """Return whether a medium's path is a URL or a data URI, not a file."""
    return "://" in path or path.startswith("data:")


def max_batch_rows(rows: int, size: int, max_rows: int) -> int:
    """Return the number of rows in a batch: `max_rows`, or fewer if rows are large."""
    # One row at least, however large it is.
    return min(max_rows, max(1, _MOST_BYTES * rows // max(size, 1)))


def frame_batch_rows(frame: pl.DataFrame, max_rows: int) -> int:
    """Return the number of rows in a batch: `max_rows`, or fewer if they hold large media."""
    size = pl.element().struct.field("bytes").bin.size()
    media = [c for c in nonempty_attachments(frame) if c in MEDIA_COLUMNS]
    if not media:
        return max_rows
    sizes = frame.select(pl.col(c).list.eval(size).list.sum().sum() for c in media)
    media_bytes = int(sum(sizes.row(0)))
    return max_batch_rows(len(frame), media_bytes, max_rows)


def _iter_value_keys(column: pl.Series) -> Iterator[str | None]:
    """Yield a text that identifies each value, or None for null."""
    if column.dtype == pl.String:
        yield from column
        return
    # A few at a time: the bytes are laid out anew to be hashed.
    for batch in column.to_frame().iter_slices(_FEW):
        lists = batch.to_series()
        media = lists.explode(empty_as_null=False, keep_nulls=False).struct
        paths = media.field("path").to_list()
        keys = [
            f"{path or ''}{_FIELD_END}{digest}"
            for path, digest in zip(paths, _hash_media_bytes(media.field("bytes")), strict=True)
        ]
        remaining_keys = iter(keys)
        for length in lists.list.len():
            yield None if length is None else _ITEM_END.join(islice(remaining_keys, length))


def _hash_media_bytes(data: pl.Series) -> list[str]:
    """Return a hash of each value's bytes without making them Python objects; "" for null."""
    array = data.to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, values = array.buffers()
    if values is None:
        return [""] * len(array)
    # From Arrow's buffers: a Python object for each file would double the memory.
    ends = np.frombuffer(offsets, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    buffer, spans = memoryview(values), zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)
    not_null = data.is_not_null().to_list()
    return [
        blake2b(buffer[start:end], digest_size=_HASH_BYTES).hexdigest() if there else ""
        for (start, end), there in zip(spans, not_null, strict=True)
    ]
