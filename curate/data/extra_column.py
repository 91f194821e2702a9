"""Keys of the JSON text in which a pair keeps what has no column."""

from __future__ import annotations

import polars as pl

from curate.data.json_text import to_json

SLOT_KEY = "chosen_slot"
"""The slot (1 or 2) of the chosen answer, null for a tie."""

CLASS_KEY = "class"
"""The class of both texts, where a pair says which of two texts is the clearer example of it."""


def extra_value(*keys: str) -> pl.Expr:
    """What `extra` holds under a key, or under keys one within the other, as text; else null."""
    path = "$" + "".join(f"['{key}']" for key in keys)
    return pl.col("extra").str.json_path_match(path)


def extra_with(column: str, key: str, json_value: pl.Expr) -> pl.Expr:
    """The column of JSON objects (or nulls) with one more key; `json_value` is already JSON."""
    entry = pl.format("{}:{}", pl.lit(to_json(key)), json_value)
    empty = pl.col(column).is_null() | (pl.col(column) == "{}")
    body = pl.col(column).str.strip_suffix("}")
    opened = pl.when(empty).then(pl.lit("{")).otherwise(body + pl.lit(","))
    return (opened + entry + pl.lit("}")).alias(column)
