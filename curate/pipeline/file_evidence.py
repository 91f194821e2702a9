"""Margins of a file: scores of both answers, strengths, numbers in `extra`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.file_margins import (
    SCORE_GAP,
    extra_keys,
    extra_leaf_keys,
    file_margin,
    file_scores,
    follows_labels,
    is_file_column,
    score_keys,
)
from curate.errors import CurateError, suggestion
from curate.pipeline.scorer_step import ScorerStep

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
    """Return the margins of the file that the scorers take.

    Args:
        scorers: the scorers of the plan.
        pairs: the pair table.

    Raises:
        CurateError: a named column has no number in any pair.
    """
    scorers = list(scorers)
    named = {e.column: s.name for s in scorers for e in s.evidence if is_file_column(e.column)}
    keys = score_keys(pairs) if named else None
    margins = {column: file_margin(column, pairs, keys) for column in named}
    for column, margin in margins.items():
        if len(pairs) and np.isnan(margin).all():
            raise _missing_number_error(column, named[column], pairs)
    notes = [
        f"the evidence {column} agrees with (nearly) all labels: if they were derived from it, it "
        "is no evidence of them"
        for column, margin in margins.items()
        if follows_labels(margin, pairs) and np.any(np.nan_to_num(margin))
    ]
    scores = file_scores(pairs) if any(step.file_scores for step in scorers) else None
    if scores is None:
        return FileEvidence(margins, (), tuple(notes))
    name, margin = scores
    return FileEvidence(margins | {name: margin}, (name,), tuple(notes))


def _missing_number_error(column: str, step: str, pairs: pl.DataFrame) -> CurateError:
    keys = extra_leaf_keys(pairs)
    missing = next((k for k in extra_keys(column) or () if k not in keys), None)
    if column == SCORE_GAP:
        fix = "name two keys: extra.a - extra.b"
    elif missing is None:
        fix = "name a key of extra with numeric values"
    else:
        fix = suggestion(f"extra.{missing}", [f"extra.{key}" for key in keys])
    return CurateError(
        "no pair has a numeric value for the evidence",
        where=f"scorer '{step}', evidence",
        found=column,
        expected="a margin of the file, or scores of both answers under keys of extra",
        fix=fix,
    )
