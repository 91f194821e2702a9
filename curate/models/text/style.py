"""Surface features of an answer that judges are known to reward: length, lists, digits..."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LIST_ITEM = r"(?m)^\s*(?:[-*•]|\d+[.)])"
_WHITE_SPACE = [
    *"\t\n\x0b\x0c\r\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000",
    *map(chr, range(0x2000, 0x200B)),
]
"""What a pattern takes as white space (Unicode's property), but for the space itself."""
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
    """Return style features of each text, shape (texts, len(STYLE_FEATURES)), not scaled."""
    t, pieces = pl.col("t"), pl.col("pieces")
    # Split at single spaces, which takes a fourth of the time of a pattern of words.
    plain = t.str.to_lowercase().str.replace_many(_WHITE_SPACE, [" "] * len(_WHITE_SPACE))
    frame = pl.DataFrame({"t": pl.Series(texts, dtype=pl.String)})
    # Made once: polars would make it anew for each expression that reads it.
    frame = frame.with_columns(pieces=plain.str.split(" "))
    empty = pieces.list.count_matches("")
    words = pieces.list.len() - empty
    counts = [
        t.str.len_chars(),
        words,
        t.str.count_matches("\n", literal=True),
        t.str.count_matches(_LIST_ITEM),
        t.str.count_matches("?", literal=True),
        t.str.count_matches("```", literal=True),
        t.str.count_matches(r"\d"),
    ]
    logs = [count.cast(pl.Float64).log1p().alias(str(i)) for i, count in enumerate(counts)]
    distinct = (pieces.list.n_unique() - (empty > 0)) / (words + 1)
    exclamations = t.str.count_matches("!", literal=True).cast(pl.Float64).log1p()
    frame = frame.select(*logs, distinct.alias("distinct"), exclamations.alias("exclamations"))
    return frame.to_numpy().astype(np.float32)


def distinct_ngram_share(text: pl.Expr, n: int) -> pl.Expr:
    """Return the share of a text's n-grams of words that are distinct; 1 for texts without any."""
    words = text.str.to_lowercase().str.extract_all(r"\S+")
    shifted = [pl.element().shift(-k) for k in range(n)]
    grams = words.list.eval(pl.concat_str(shifted, separator="\x1f").drop_nulls())
    share = grams.list.n_unique() / grams.list.len()
    return pl.when(grams.list.len() > 0).then(share).otherwise(1.0).fill_null(1.0)
