"""Surface features of an answer that judges are known to go by: length, lists, digits..."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LIST_ITEM = r"(?m)^\s*(?:[-*•]|\d+[.)])"
STYLE_FEATURES = (
    "log characters",
    "log words",
    "log lines",
    "log list items",
    "log question marks",
    "log code fences",
    "log digits",
    "distinct words per word",
    "log exclamation marks",
)
LENGTH = 0
"""Position of the log length among the features."""


def text_style(texts: list[str]) -> NDArray[np.float32]:
    """Style features of each text, shape (texts, len(STYLE_FEATURES)), not scaled."""
    t = pl.col("t")
    words = t.str.to_lowercase().str.extract_all(r"\S+")
    counts = [
        t.str.len_chars(),
        words.list.len(),
        t.str.count_matches("\n"),
        t.str.count_matches(_LIST_ITEM),
        t.str.count_matches("?", literal=True),
        t.str.count_matches("```", literal=True),
        t.str.count_matches(r"\d"),
    ]
    logs = [count.cast(pl.Float64).log1p().alias(str(i)) for i, count in enumerate(counts)]
    distinct = words.list.n_unique() / (words.list.len() + 1)
    exclamations = t.str.count_matches("!", literal=True).cast(pl.Float64).log1p()
    frame = pl.DataFrame({"t": pl.Series(texts, dtype=pl.String)})
    frame = frame.select(*logs, distinct.alias("distinct"), exclamations.alias("exclamations"))
    return frame.to_numpy().astype(np.float32)


def distinct_share(text: pl.Expr, n: int) -> pl.Expr:
    """Share of a text's n-grams of words that are distinct; 1 for texts without any."""
    words = text.str.to_lowercase().str.extract_all(r"\S+")
    shifted = [pl.element().shift(-k) for k in range(n)]
    grams = words.list.eval(pl.concat_str(shifted, separator="\x1f").drop_nulls())
    share = grams.list.n_unique() / grams.list.len()
    return pl.when(grams.list.len() > 0).then(share).otherwise(1.0).fill_null(1.0)
