"""Margins of a file: scores of both answers, strengths, numbers in `extra`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.answer_scores import score_columns, score_gap
from curate.data.extra_column import extra_value
from curate.data.hashes import select_in_batches
from curate.errors import CurateError, suggestion
from curate.pipeline.scorer_step import SCORE_GAP, STRENGTH, ScorerStep, extra_keys, is_of_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_SAMPLED_ROWS = 1000
_MIN_SHARE_AGAINST = 0.01
"""Of nonzero margins that side with the rejected answer: below it labels were made from them."""


@dataclass(frozen=True)
class FileEvidence:
    """Margins of the file that scorers take.

    Attributes:
        margins: (pairs,) of each column, above 0 for the chosen answer; NaN where it says nothing.
        scores: columns that `evidence: auto` takes.
        notes: what the user should know of them.
    """

    margins: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    scores: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def file_evidence(scorers: Iterable[ScorerStep], pairs: pl.DataFrame) -> FileEvidence:
    """The margins of the file that the scorers take.

    Args:
        scorers: of the plan.
        pairs: the pair table.

    Raises:
        CurateError: a named column has no number in any pair.
    """
    scorers = list(scorers)
    named = {e.column: s.name for s in scorers for e in s.evidence if is_of_file(e.column)}
    keys = score_columns(_extra_keys(pairs)) if scorers else None
    margins = {column: _margin(column, pairs, keys) for column in named}
    for column, margin in margins.items():
        if len(pairs) and np.isnan(margin).all():
            raise _no_number(column, named[column], pairs)
    notes = [
        f"the evidence {column} never sides with the rejected answer: if the labels were made "
        "from it, it is no evidence of them"
        for column, margin in margins.items()
        if not _sides_with_both(margin) and np.any(margin)
    ]
    if not any(step.file_scores for step in scorers):
        return FileEvidence(margins, (), tuple(notes))
    candidate = SCORE_GAP if keys is not None else STRENGTH
    margin = margins.get(candidate, _margin(candidate, pairs, keys))
    if not _sides_with_both(margin):
        return FileEvidence(margins, (), tuple(notes))
    return FileEvidence(margins | {candidate: margin}, (candidate,), tuple(notes))


def _margin(column: str, pairs: pl.DataFrame, keys: tuple[str, str] | None) -> NDArray[np.float64]:
    names = keys or () if column == SCORE_GAP else extra_keys(column)
    if column == STRENGTH:
        values = pl.col(STRENGTH).cast(pl.Float64)
    elif names:
        values = score_gap(names)
        # What extra holds is oriented as the label that was read; a flip since then marks it.
        values = pl.when(extra_value("flipped") == "true").then(-values).otherwise(values)
    else:
        values = pl.lit(None, dtype=pl.Float64)
    frame = select_in_batches(pairs, pl.col("pair_id").is_null().alias("_"), m=values)
    margin = frame["m"].fill_null(float("nan")).to_numpy()
    return np.where(np.isfinite(margin), margin, np.nan)


def _sides_with_both(margin: NDArray[np.float64]) -> bool:
    """Whether a margin sides with the rejected answer in more than a few pairs."""
    sides = np.sign(margin[np.isfinite(margin) & (margin != 0.0)])
    return bool(len(sides)) and _MIN_SHARE_AGAINST <= float((sides < 0).mean()) < 1.0


def _extra_keys(pairs: pl.DataFrame) -> list[str]:
    """Keys of `extra`, nested ones joined by dots, in rows spread over the table."""
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


def _no_number(column: str, step: str, pairs: pl.DataFrame) -> CurateError:
    keys = _extra_keys(pairs)
    missing = next((k for k in extra_keys(column) or () if k not in keys), None)
    if column == SCORE_GAP:
        fix = "name two keys: extra.a - extra.b"
    elif missing is None:
        fix = "name a key of extra that holds numbers"
    else:
        fix = suggestion(f"extra.{missing}", [f"extra.{key}" for key in keys])
    return CurateError(
        "no pair has a number for the evidence",
        where=f"scorer '{step}', evidence",
        found=column,
        expected="a margin of the file, or scores of both answers under keys of extra",
        fix=fix,
    )
