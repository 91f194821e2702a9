"""Columns of the pair table for what belongs to a pair as a whole: tools, media, arguments."""

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
TEXT_PARTS = (TOOLS, ARGUMENTS, DOCUMENTS)
"""Columns of JSON text."""
REJECTED_MEDIA = {
    "images": "rejected_images",
    "videos": "rejected_videos",
    "audios": "rejected_audios",
}
"""The column of the rejected answer's own media for each that is else of both answers; null where
both answers speak of the same media. Where it is not, the first column is the chosen answer's."""
MEDIA_PARTS = (*REJECTED_MEDIA, *REJECTED_MEDIA.values())
"""Columns of `MEDIA`."""
ROW_PARTS: dict[str, pl.DataType] = {
    **dict.fromkeys(TEXT_PARTS, pl.String()),
    **dict.fromkeys(MEDIA_PARTS, MEDIA),
}

_MOST_BYTES = 1 << 24
"""Bytes in one batch."""
# Rows whose bytes are laid out anew at a time.
_FEW = 64
# 128 bits: no two media of a set meet by chance.
_HASH_BYTES = 16
_PART_END, _ITEM_END, _FIELD_END = "\x1c", "\x1e", "\x1f"


def present(frame: pl.DataFrame) -> list[str]:
    """The row parts that some row of the frame has."""
    return [c for c in ROW_PARTS if c in frame.columns and frame[c].null_count() < len(frame)]


def row_part_keys(frame: pl.DataFrame, without: tuple[str, ...] = ()) -> pl.Series | None:
    """Each row's parts as one text that differs where any of them does; None where no row has any.

    Bytes count by a hash of theirs.
    """
    names = [name for name in present(frame) if name not in without]
    if not names:
        return None
    columns = [_keys(frame[name]) for name in names]
    joined = [
        "".join(f"{_PART_END}{n}{_FIELD_END}{v}" for n, v in zip(names, row, strict=True) if v)
        for row in zip(*columns, strict=True)
    ]
    return pl.Series(joined, dtype=pl.String)


def is_url(path: str) -> bool:
    """Whether a medium's path names no file: a URL, or the data themselves."""
    return "://" in path or path.startswith("data:")


def rows_that_fit(rows: int, size: int, most: int) -> int:
    """Rows in a batch: at most `most`, and fewer where `rows` of them take too many bytes."""
    return min(most, max(1, _MOST_BYTES * rows // max(size, 1)))


def batch_rows(frame: pl.DataFrame, most: int) -> int:
    """Rows of the frame in a batch: at most `most`, and fewer where they hold large media."""
    size = pl.element().struct.field("bytes").bin.size()
    media = [c for c in present(frame) if c in MEDIA_PARTS]
    if not media:
        return most
    sizes = frame.select(pl.col(c).list.eval(size).list.sum().sum() for c in media)
    held = int(sum(sizes.row(0)))
    return rows_that_fit(len(frame), held, most)


def _keys(column: pl.Series) -> Iterator[str | None]:
    """Each value as a text, null for null."""
    if column.dtype == pl.String:
        yield from column
        return
    # A few at a time: the bytes are laid out anew to be hashed.
    for some in column.to_frame().iter_slices(_FEW):
        lists = some.to_series()
        media = lists.explode(empty_as_null=False, keep_nulls=False).struct
        paths = media.field("path").to_list()
        keys = [
            f"{path or ''}{_FIELD_END}{digest}"
            for path, digest in zip(paths, _digests(media.field("bytes")), strict=True)
        ]
        rest = iter(keys)
        for length in lists.list.len():
            yield None if length is None else _ITEM_END.join(islice(rest, length))


def _digests(data: pl.Series) -> list[str]:
    """A hash of each value's bytes, which do not become Python objects; empty for null."""
    array = data.to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, values = array.buffers()
    if values is None:
        return [""] * len(array)
    ends = np.frombuffer(offsets, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    room, spans = memoryview(values), zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)
    known = data.is_not_null().to_list()
    return [
        blake2b(room[start:end], digest_size=_HASH_BYTES).hexdigest() if there else ""
        for (start, end), there in zip(spans, known, strict=True)
    ]
