"""The pair table: one Arrow schema for preference pairs, and their stable ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from curate.data.attachments import (
    ATTACHMENTS,
    MEDIA_COLUMNS,
    REJECTED_MEDIA,
    attachment_keys,
    nonempty_attachments,
)
from curate.data.key_counts import KeyCounts, KeyHalves, key_halves

MESSAGE = pl.Struct({"role": pl.String, "content": pl.String, "more": pl.String})
"""Role, text, and what else was published of the message: see `curate.data.messages`."""
MESSAGES = pl.List(MESSAGE)

PAIR_COLUMNS: dict[str, pl.DataType] = {
    "pair_id": pl.String(),
    "prompt": MESSAGES,
    "chosen": MESSAGES,
    "rejected": MESSAGES,
    "annotator": pl.String(),
    "strength": pl.Float32(),
    "is_tie": pl.Boolean(),
    "source": pl.String(),
    "extra": pl.String(),
    **ATTACHMENTS,
}
"""Name and type of every column of the pair table, in order."""

DROP_STEP, DROP_REASON, DROP_CODE = "drop_step", "drop_reason", "drop_code"
"""Columns of a dropped pair: the filter that dropped it, and why."""

_ROLE_END, _MESSAGE_END, _MORE = "\x1f", "\x1e", "\x1b"
# 128 bits: no two pairs of a set meet by chance.
_HASH_BYTES = 16
ID_CHARACTERS = 2 * _HASH_BYTES
"""Length of an id without a number."""
BATCH_ROWS = 8192
"""Rows of texts that are looked at in one piece."""


def arrow_schema() -> pa.Schema:
    """Return the pair table's schema in Arrow types."""
    turns = pa.list_(pa.struct([(name, pa.string()) for name in ("role", "content", "more")]))
    media = pa.list_(pa.struct([("path", pa.string()), ("bytes", pa.binary())]))
    types = {
        "prompt": turns,
        "chosen": turns,
        "rejected": turns,
        "strength": pa.float32(),
        "is_tie": pa.bool_(),
        **dict.fromkeys(MEDIA_COLUMNS, media),
    }
    return pa.schema([(name, types.get(name, pa.string())) for name in PAIR_COLUMNS])


def to_arrow(pairs: pl.DataFrame) -> pa.Table:
    """Return the pair columns of a frame as an Arrow table of exactly `arrow_schema()`."""
    return pairs.select(list(PAIR_COLUMNS)).to_arrow().cast(arrow_schema())


def empty_pairs() -> pl.DataFrame:
    """Return a pair table without rows."""
    return pl.DataFrame(schema=PAIR_COLUMNS)


def plain_message(role: str | pl.Expr, content: pl.Expr) -> pl.Expr:
    """Return a plain message of a role and a text."""
    spoken_by = pl.lit(role) if isinstance(role, str) else role
    return pl.struct(role=spoken_by, content=content, more=pl.lit(None, dtype=pl.String))


def messages_series(name: str, turns: Iterable[Sequence[Mapping[str, Any]] | None]) -> pl.Series:
    """Return lists of messages (or null) as a column; much faster than polars' constructor."""
    fields: dict[str, list[Any]] = {"role": [], "content": [], "more": []}
    ends, not_null = [0], []
    for row in turns:
        for turn in row or ():
            for key, values in fields.items():
                values.append(turn.get(key))
        ends.append(len(fields["role"]))
        not_null.append(row is not None)
    texts = [pa.array(values, pa.large_string()) for values in fields.values()]
    messages = pa.StructArray.from_arrays(texts, list(fields))
    nulls = pa.array([not k for k in not_null], pa.bool_())
    lists = pa.LargeListArray.from_arrays(pa.array(ends, pa.int64()), messages, mask=nulls)
    return pl.Series(name, pl.from_arrow(lists), dtype=MESSAGES)


def has_single_answers(pairs: pl.DataFrame) -> bool:
    """Return whether the rows hold one answer each: `rejected` is null in all of them."""
    return len(pairs) > 0 and pairs["rejected"].null_count() == len(pairs)


def messages_key(column: str | pl.Expr) -> pl.Expr:
    """Return each row's messages as one text that differs when any part or the order of them
    differs.
    """
    messages = pl.col(column) if isinstance(column, str) else column
    message = pl.element().struct.field("role").fill_null("") + pl.lit(_ROLE_END)
    message = message + pl.element().struct.field("content").fill_null("")
    more = pl.lit(_MORE) + pl.element().struct.field("more")
    message = message + more.fill_null("")
    return messages.list.eval(message).list.join(_MESSAGE_END).fill_null("")


def iter_rows_in_batches(pairs: pl.DataFrame, rows: NDArray[np.int64]) -> Iterator[pl.DataFrame]:
    """Yield the requested rows (ascending numbers) batch by batch; batches without any are left
    out.
    """
    if not len(rows):
        return
    span = slice(rows[0] // BATCH_ROWS, rows[-1] // BATCH_ROWS + 1)
    for batch in batch_slices(len(pairs), BATCH_ROWS)[span]:
        batch_rows = rows[slice(*np.searchsorted(rows, [batch.start, batch.stop]))]
        if len(batch_rows):
            yield pairs[batch][batch_rows - batch.start]


def gather_pairs(pairs: pl.DataFrame, rows: NDArray[np.int64]) -> pl.DataFrame:
    """Return the rows with these numbers, in the order of the numbers.

    A few of many: `pairs[rows]` first brings lists into one piece, some hundred bytes a pair.
    """
    order = np.argsort(rows, kind="stable")
    batches = list(iter_rows_in_batches(pairs, rows[order]))
    # The place of each wanted row among the parts.
    return pl.concat(batches)[np.argsort(order, kind="stable")] if batches else pairs.clear()


def messages_text(column: str) -> pl.Expr:
    """Return each row's messages as plain text: the content of one message, or `role: content`
    turns.

    Examples:
        >>> user = {"role": "user", "content": "Hi"}
        >>> assistant = {"role": "assistant", "content": "Hello"}
        >>> frame = pl.DataFrame({"prompt": [[user], [user, assistant]]})
        >>> frame.select(messages_text("prompt"))["prompt"].to_list()
        ['Hi', 'user: Hi\\n\\nassistant: Hello']
    """
    content = pl.element().struct.field("content").fill_null("")
    turn = pl.element().struct.field("role").fill_null("") + pl.lit(": ") + content
    return (
        pl.when(pl.col(column).list.len() > 1)
        .then(pl.col(column).list.eval(turn).list.join("\n\n"))
        .otherwise(pl.col(column).list.eval(content).list.join(""))
        .fill_null("")
    )


def text_keys(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return texts that identify the prompt and both answers with everything they hold.

    Tools and media of the row belong to the prompt; media that only one answer speaks of, or that
    are the answer, belong to that answer.
    """
    keys = pairs.select(messages_key(c).alias(c) for c in ("prompt", "chosen", "rejected"))
    if not nonempty_attachments(pairs):
        return keys
    for shared, rejected_column in REJECTED_MEDIA.items():
        if rejected_column not in nonempty_attachments(pairs):
            continue
        has_own_media = pl.col(rejected_column).is_not_null()
        for side, media in (("chosen", shared), ("rejected", rejected_column)):
            media_key = attachment_keys(
                pairs.select(pl.when(has_own_media).then(media).alias(shared))
            )
            if media_key is not None:
                keys = keys.with_columns(pl.col(side) + media_key)
        pairs = pairs.with_columns(pl.when(~has_own_media).then(shared).alias(shared))
    key = attachment_keys(pairs, without=tuple(REJECTED_MEDIA.values()))
    return keys if key is None else keys.with_columns(pl.col("prompt") + key)


def content_hashes(pairs: pl.DataFrame) -> list[bytes]:
    """Return each pair's hash of prompt, unordered answers, annotator and attachments."""
    keys = text_keys(pairs).with_columns(pairs["annotator"].fill_null(""))
    low, high = pl.min_horizontal("chosen", "rejected"), pl.max_horizontal("chosen", "rejected")
    text = pl.concat_str("prompt", low, high, "annotator", separator="\x1d")
    # hashlib has no vectorised form; one call a row is about a microsecond.
    return [
        blake2b(row, digest_size=_HASH_BYTES).digest()
        for row in keys.select(text.cast(pl.Binary)).to_series().to_list()
    ]


def as_pair_table(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a pair table of an earlier version with the columns of this version."""
    parts = {c: t for c, t in ATTACHMENTS.items() if c not in frame.columns}
    role, content = (pl.element().struct.field(name) for name in ("role", "content"))
    old = [c for c in ("prompt", "chosen", "rejected") if frame.schema[c] != MESSAGES]
    turns = (pl.col(c).list.eval(plain_message(role, content)).cast(MESSAGES) for c in old)
    return frame.with_columns(*turns, *(pl.lit(None, dtype=t).alias(c) for c, t in parts.items()))


class PairIds:
    """Assigns ids to the pairs of a dataset, batch by batch.

    An id is the content hash, with `-1`, `-2`... appended to later occurrences: unique within a
    data set and the same on every run, whatever the label says. These numbers go by the order of
    the rows; `curate.read.repeated_ids` makes them independent of it.
    """

    def __init__(self, used_ids: Iterable[pl.Series] = ()) -> None:
        """Reserve the ids in `used_ids`: they are not assigned again."""
        self._content_counts, self._data_id_counts, self._used_id_counts = (
            KeyCounts(),
            KeyCounts(),
            KeyCounts(),
        )
        self._has_used_ids = False
        self._skipped: dict[bytes, int] = {}
        for ids in used_ids:
            for rows in batch_slices(len(ids), BATCH_ROWS):
                self._used_id_counts.before(_hash_ids(ids[rows]))
                self._has_used_ids = True

    def is_new(self, ids: pl.Series) -> pl.Series:
        """Return whether each id from the data (or null) is new."""
        fresh = ids.is_null()
        data_ids = ids.drop_nulls()
        if not len(data_ids):
            return fresh
        first_time = pl.Series(self._data_id_counts.before(_hash_ids(data_ids)) == 0)
        return fresh.scatter((~fresh).arg_true(), first_time)

    def fill_missing(self, pairs: pl.DataFrame, keys: pl.Series | None = None) -> pl.DataFrame:
        """Fill null `pair_id`s.

        Args:
            pairs: the pair table.
            keys: `content_hashes` of the pairs, where they are known already.
        """
        missing = pairs["pair_id"].is_null()
        if not missing.any():
            return pairs
        # Pairs with an id count too: their content may be that of one without.
        content_keys = content_hashes(pairs) if keys is None else keys.to_list()
        times = self._content_counts.before(key_halves(b"".join(content_keys)))
        if self._has_used_ids:
            rows = missing.arg_true().to_numpy()
            times[rows] += self._skipped_numbers(
                [content_keys[row] for row in rows.tolist()], times[rows]
            )
        return pairs.with_columns(pair_id=pl.coalesce("pair_id", _format_ids(content_keys, times)))

    def _skipped_numbers(self, keys: list[bytes], times: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many numbers each key must skip because other pairs use them."""
        skipped = np.array([self._skipped.get(key, 0) for key in keys], dtype=np.int64)
        clash = self._is_used(keys, times + skipped)
        # One after another only where a number is taken, as hardly ever: each skip moves the next.
        slow = {keys[row] for row in np.flatnonzero(clash).tolist()}
        for row, key in enumerate(keys) if slow else ():
            if key in slow:
                more = self._skipped.get(key, 0)
                while self._is_used([key], times[row : row + 1] + more).any():
                    more += 1
                self._skipped[key] = skipped[row] = more
        return skipped

    def _is_used(self, keys: list[bytes], times: NDArray[np.int64]) -> NDArray[np.bool_]:
        return self._used_id_counts.has(_hash_ids(_format_ids(keys, times)))


def _format_ids(keys: list[bytes], times: NDArray[np.int64]) -> pl.Series:
    """Return ids: the hash of the content, and a number for later occurrences."""
    names = pl.Series("name", keys, dtype=pl.Binary).bin.encode("hex")
    repeated = pl.when(pl.col("n") > 0).then(pl.format("{}-{}", "name", "n"))
    return pl.DataFrame({"name": names, "n": times}).select(i=repeated.otherwise("name"))["i"]


def _hash_ids(ids: pl.Series) -> KeyHalves:
    """Return 128-bit hashes of ids."""
    text = pl.col("i")
    return ids.alias("i").to_frame().select(first=text.hash(1), second=text.hash(2)).to_numpy()


def with_pair_ids(pairs: pl.DataFrame) -> pl.DataFrame:
    """Fill null `pair_id`s of a whole data set; see `PairIds`."""
    return PairIds().fill_missing(pairs)


def dense_ranks(column: pl.Series) -> NDArray[np.int64]:
    """Return each value's rank from 0, (rows,); equal values share a rank."""
    numbers: NDArray[np.int64] = column.rank("dense").to_numpy().astype(np.int64) - 1
    return numbers


class Fingerprint:
    """Hash over all pairs in order, labels and ties included, a batch at a time.

    The same pairs in another order are another set to every seeded draw.
    """

    def __init__(self) -> None:
        self._digest = blake2b(digest_size=_HASH_BYTES)

    def add(self, ids: pl.Series, marks: pl.Series) -> None:
        """Add the next pairs: their ids and `label_marks`."""
        lines = pl.DataFrame({"id": ids, "mark": marks}).select(line=pl.concat_str("id", "mark"))
        for line in lines["line"].to_list():
            self._digest.update(line.encode())

    def hex(self) -> str:
        """The hash of what was added so far."""
        return self._digest.hexdigest()


def label_marks(pairs: pl.DataFrame) -> pl.Series:
    """A text of each pair that differs when its label is flipped or becomes a tie."""
    orientation = (messages_key("chosen") <= messages_key("rejected")).cast(pl.String)
    return pairs.select(mark=orientation + pl.col("is_tie").cast(pl.String))["mark"]


def fingerprint_pairs(pairs: pl.DataFrame) -> str:
    """`Fingerprint` of all pairs."""
    digest = Fingerprint()
    for rows in batch_slices(len(pairs), BATCH_ROWS):
        batch = pairs[rows]
        digest.add(batch["pair_id"], label_marks(batch))
    return digest.hex()


def batch_slices(total: int, size: int) -> Sequence[slice]:
    """Return slices of at most `size` rows that cover `total` rows.

    Examples:
        >>> list(batch_slices(5, 2))
        [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return [slice(start, min(start + size, total)) for start in range(0, total, size)]
