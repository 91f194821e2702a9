"""Columns of JSON text."""

from __future__ import annotations

import polars as pl


def as_json(value: pl.Expr | str) -> pl.Expr:
    """A column of any type as JSON texts; null is "null"."""
    text = pl.struct(v=value).struct.json_encode()
    return text.str.strip_prefix('{"v":').str.strip_suffix("}")


def decode_json(texts: pl.Series, dtype: pl.DataType) -> tuple[pl.Series, list[int]]:
    """JSON texts in the given type, and the rows of another shape, which become null."""
    try:
        return texts.str.json_decode(dtype), []
    except pl.exceptions.ComputeError:
        # The fast way does not say which row is wrong; such blocks are few.
        wrong = [i for i, text in enumerate(texts) if not _fits(text, dtype)]
        whole = pl.Series(range(len(texts))).is_in(wrong)
        kept = texts.to_frame().select(pl.when(~whole).then(texts.name).alias(texts.name))
        return kept.to_series().str.json_decode(dtype), wrong


def _fits(text: str | None, dtype: pl.DataType) -> bool:
    try:
        pl.Series([text], dtype=pl.String).str.json_decode(dtype)
    except pl.exceptions.ComputeError:
        return False
    return True
