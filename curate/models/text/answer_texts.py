"""Values of answer texts, each distinct text looked at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import polars as pl

from curate.data.table import messages_text

V = TypeVar("V")


def map_distinct_texts(
    pairs: pl.DataFrame, columns: tuple[str, ...], transform: Callable[[str], V]
) -> list[list[V]]:
    """Return `transform` of the texts of each message column, one list a column, in order.

    Examples:
        >>> from curate import read_pairs
        >>> rows = [{"prompt": str(n), "chosen": "yes", "rejected": "no"} for n in range(2)]
        >>> map_distinct_texts(read_pairs(rows).frame, ("chosen", "rejected"), len)
        [[3, 3], [2, 2]]
    """
    texts = [
        pairs.select(t=messages_text(column))["t"].fill_null("").to_list() for column in columns
    ]
    values = {
        text: transform(text)
        for text in dict.fromkeys(text for column_texts in texts for text in column_texts)
    }
    return [[values[text] for text in column_texts] for column_texts in texts]
