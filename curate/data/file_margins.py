"""Margins in a file besides its labels: scores of both answers, strengths, numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.answer_scores import score_columns, score_gap
from curate.data.hashes import select_in_batches
from curate.data.json_fields import IS_FLIPPED

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCORE_GAP, STRENGTH = "score_gap", "strength"
FILE_COLUMNS = (SCORE_GAP, STRENGTH)
"""Margins of the file that evidence may name; `extra.x` and `extra.a - extra.b` are others."""
_KEY = r"extra\.\S+"
_EXTRA = re.compile(rf"({_KEY})(?:\s+-\s+({_KEY}))?")
_MAX_SAMPLED_ROWS = 1000
_MIN_SHARE_AGAINST = 0.01
"""Of nonzero margins that side with the rejected answer: below it labels were made from them."""


def file_scores(pairs: pl.DataFrame) -> tuple[str, NDArray[np.float64]] | None:
    """Return the name and (pairs,) margin of a file's scores; None if they imply the labels."""
    keys = score_keys(pairs)
    name = STRENGTH if keys is None else SCORE_GAP
    margin = file_margin(name, pairs, keys)
    return (name, margin) if len(pairs) > 0 and not follows_labels(margin, pairs) else None


def score_keys(pairs: pl.DataFrame) -> tuple[str, str] | None:
    """Return the keys of `extra` with a score of the chosen and of the rejected answer."""
    return score_columns(extra_leaf_keys(pairs))


def file_margin(
    column: str, pairs: pl.DataFrame, keys: tuple[str, str] | None
) -> NDArray[np.float64]:
    """Return a margin of the file, (pairs,), above 0 for the chosen answer; NaN if there is none.

    Args:
        column: `score_gap`, `strength`, `extra.x` or `extra.a - extra.b`.
        pairs: the pair table.
        keys: keys of both answers' scores (from `score_keys`), for `score_gap`.
    """
    names = keys or () if column == SCORE_GAP else extra_keys(column)
    if column == STRENGTH:
        values = pl.col(STRENGTH).cast(pl.Float64)
    elif names:
        values = score_gap(names)
        # What extra holds is oriented as the label that was read.
        values = pl.when(IS_FLIPPED).then(-values).otherwise(values)
    else:
        values = pl.lit(None, dtype=pl.Float64)
    frame = select_in_batches(pairs, pl.col("pair_id").is_null().alias("_"), m=values)
    margin = frame["m"].fill_null(float("nan")).to_numpy()
    return np.where(np.isfinite(margin), margin, np.nan)


def follows_labels(margin: NDArray[np.float64], pairs: pl.DataFrame) -> bool:
    """Return whether nearly all labels, as they were read, agree with a margin of the file.

    Labels that were derived from scores always agree with them: such scores are no evidence of
    these labels, nor of labels that a filter has flipped since. A margin without values counts as
    agreeing.
    """
    flipped = select_in_batches(pairs, f=IS_FLIPPED.fill_null(False))["f"].to_numpy()
    sides = np.sign(np.where(flipped, -margin, margin))
    sides = sides[np.isfinite(sides) & (sides != 0.0)]
    # Labels that were made from the scores agree with them; as evidence they would count twice.
    return not len(sides) or float((sides < 0).mean()) < _MIN_SHARE_AGAINST


def extra_leaf_keys(pairs: pl.DataFrame) -> list[str]:
    """Return the keys of `extra` in a sample of rows, nested ones joined by dots."""
    # Spread over the file: the first rows may all be of one source.
    step = max(len(pairs) // _MAX_SAMPLED_ROWS, 1)
    names: dict[str, None] = {}
    for text in pairs["extra"].gather_every(step).drop_nulls():
        names |= dict.fromkeys(_leaf_keys(json.loads(text)))
    return list(names)


def _leaf_keys(value: object, prefix: str = "") -> Iterator[str]:
    if not isinstance(value, dict):
        yield prefix.removesuffix(".")
        return
    for key, inner in value.items():
        yield from _leaf_keys(inner, f"{prefix}{key}.")


def extra_keys(column: str) -> tuple[str, ...] | None:
    """Return the keys of `extra` that `extra.x` or `extra.a - extra.b` names; None for another
    column.

    Examples:
        >>> extra_keys("extra.gpt4.margin")
        ('gpt4.margin',)
        >>> extra_keys("extra.a - extra.b")
        ('a', 'b')
        >>> extra_keys("judge.margin") is None
        True
    """
    match = _EXTRA.fullmatch(column.strip())
    return match and tuple(key.removeprefix("extra.") for key in match.groups() if key)


def is_file_column(column: str) -> bool:
    """Return whether the column is one of the file, not of a scorer."""
    return column in FILE_COLUMNS or extra_keys(column) is not None
