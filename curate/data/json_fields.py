"""JSON in columns: values as JSON text, and the keys of `extra`."""

from __future__ import annotations

import re

import polars as pl

from curate.data.json_text import to_json

_PATH_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
SLOT_KEY = "chosen_slot"
"""The slot (1 or 2) of the chosen answer, null for a tie."""

CLASS_KEY = "class"
"""The class of both texts, where a pair says which of two texts is the clearer example of it."""


def encode_json(value: pl.Expr | str) -> pl.Expr:
    """Return a column of any type as JSON texts; null is "null"."""
    # polars encodes structs alone, so that the value is one's only field.
    text = pl.struct(v=value).struct.json_encode()
    return text.str.strip_prefix('{"v":').str.strip_suffix("}")


def decode_json(texts: pl.Series, dtype: pl.DataType) -> tuple[pl.Series, list[int]]:
    """Return JSON texts decoded to a type, and the rows that do not fit it (null)."""
    try:
        return texts.str.json_decode(dtype), []
    except pl.exceptions.ComputeError:
        # The fast way does not say which row is wrong; such blocks are few.
        wrong = [i for i, text in enumerate(texts) if not _fits(text, dtype)]
        is_wrong = pl.Series(range(len(texts))).is_in(wrong)
        decodable = texts.to_frame().select(pl.when(~is_wrong).then(texts.name).alias(texts.name))
        return decodable.to_series().str.json_decode(dtype), wrong


def _fits(text: str | None, dtype: pl.DataType) -> bool:
    try:
        pl.Series([text], dtype=pl.String).str.json_decode(dtype)
    except pl.exceptions.ComputeError:
        return False
    return True


def extra_value(*keys: str) -> pl.Expr:
    """Return the value of `extra` under a key, or under nested keys, as text; else null.

    Examples:
        >>> frame = pl.DataFrame({"extra": ['{"meta": {"score": 3}}', None]})
        >>> frame.select(score=extra_value("meta", "score"))["score"].to_list()
        ['3', None]
    """
    # In brackets, since a key may hold dots and spaces.
    path = "$" + "".join(f"['{key}']" for key in keys)
    return pl.col("extra").str.json_path_match(path)


def extra_path(path: str) -> pl.Expr:
    """Return the value of `extra` at a path such as `a.b` or `scores[0]`, as text; else null.

    A key that is written so goes before.
    """
    steps = _PATH_STEP.findall(path)
    whole_key = extra_value(path)
    if len(steps) == 1:
        return whole_key
    json_path = "$" + "".join(f"[{index}]" if index else f"['{key}']" for key, index in steps)
    # A key of that very name goes first, as it is what the file says.
    return pl.coalesce(whole_key, pl.col("extra").str.json_path_match(json_path))


IS_FLIPPED = extra_value("flipped") == "true"
"""Whether a filter flipped the label that was read; null without that key."""


def with_extra_key(column: str, key: str, json_value: pl.Expr) -> pl.Expr:
    """Return the column of JSON objects (or nulls) with a key added; `json_value` is JSON."""
    entry = pl.format("{}:{}", pl.lit(to_json(key)), json_value)
    empty = pl.col(column).is_null() | (pl.col(column) == "{}")
    # By text: decoding and encoding the JSON of every pair would take many times as long.
    body = pl.col(column).str.strip_suffix("}")
    opened = pl.when(empty).then(pl.lit("{")).otherwise(body + pl.lit(","))
    return (opened + entry + pl.lit("}")).alias(column)
