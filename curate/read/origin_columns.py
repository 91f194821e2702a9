"""Columns that say where a pair comes from: its source, and who judged it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import polars as pl

from curate.read.formats.base import ROW

if TYPE_CHECKING:
    from curate.read.formats.base import RowSample

_SOURCES = ("source", "subset", "dataset")
_ANNOTATORS = ("annotator", "annotator_id")
_MAX_SOURCES = 20
_MAX_NAME_LENGTH = 100


def find_origin_columns(rows: RowSample, read_columns: tuple[str, ...]) -> dict[str, str]:
    """Return the columns of a sample that name the source and the annotator of each row.

    A source is a short text with few values. A column that the format reads itself is none.
    """
    names = dict.fromkeys(key for row in rows for key in row if key not in read_columns)
    values = {n: [row[n] for row in rows if row.get(n) is not None] for n in names}
    source = next((n for n in _SOURCES if n in names and _are_sources(values[n])), None)
    annotator = next((n for n in _ANNOTATORS if n in names and _are_names(values[n])), None)
    columns = {"source": source, "annotator": annotator}
    return {key: column for key, column in columns.items() if column is not None}


def add_origins(
    pairs: pl.DataFrame, rows: pl.DataFrame, columns: Mapping[str, str]
) -> pl.DataFrame:
    """Return pairs with source and annotator of their rows, where the format gave none."""
    if not columns:
        return pairs
    origins = rows.select(
        ROW, *(pl.col(c).cast(pl.String).alias(f"_origin_{key}") for key, c in columns.items())
    )
    pairs = pairs.drop([c for c in columns.values() if c not in columns and c in pairs.columns])
    joined = pairs.join(origins, on=ROW, how="left", maintain_order="left")
    for key, column in columns.items():
        # A published column of that name is what was read, not what the format made.
        has_own = key in pairs.columns and column != key
        origin = pl.col(f"_origin_{key}")
        value = pl.coalesce(pl.col(key).cast(pl.String), origin) if has_own else origin
        joined = joined.with_columns(value.alias(key))
    return joined.drop(f"_origin_{key}" for key in columns)


def _are_names(values: list[object]) -> bool:
    """Return whether all values are short texts, or all are numbers."""
    if all(isinstance(value, str) and len(value) <= _MAX_NAME_LENGTH for value in values):
        return True
    return all(type(value) is int for value in values)


def _are_sources(values: list[object]) -> bool:
    are_texts = all(isinstance(value, str) for value in values)
    count = len(set(values)) if are_texts else 0
    return 0 < count <= _MAX_SOURCES and count * 2 <= len(values) and _are_names(values)
