"""What a scorer of labels gets to read: margins of scorers that ran before it, and of the file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.file_margins import is_file_column
from curate.pipeline.file_evidence import FileEvidence
from curate.pipeline.scorer_step import ScorerStep
from curate.steps.evidence import EvidenceSource, LabelEvidence
from curate.steps.evidence_params import EvidenceColumn

if TYPE_CHECKING:
    from numpy.typing import NDArray


def label_evidence(
    step: ScorerStep,
    scores: Sequence[pl.DataFrame],
    file: FileEvidence,
    judgements: NDArray[np.int8] | None,
    warnings: list[str],
) -> LabelEvidence:
    """Return the evidence of one scorer; sources that say nothing of any pair are left out.

    Args:
        step: the scorer.
        scores: columns of the scorers that ran before it.
        file: margins of the file.
        judgements: (pairs,) what people found of each label, as in `LabelEvidence`.
        warnings: list to which it adds which sources are left out.
    """
    if not step.takes_evidence:
        return LabelEvidence()
    columns = {name: frame[name] for frame in scores for name in frame.columns}
    requested = [*step.evidence]
    if step.file_scores:
        requested += [EvidenceColumn(column=name) for name in file.scores]
    sources = []
    for item in requested:
        name = item.column
        margin = file.margins[name] if is_file_column(name) else _finite_margin(columns[name])
        if len(margin) and not np.any(np.nan_to_num(margin)):
            warnings.append(f"{step.name}: the evidence {name} is 0 or missing in every pair")
            continue
        sources.append(EvidenceSource(name, margin, item.trust))
    return LabelEvidence(tuple(sources), judgements)


def _finite_margin(column: pl.Series) -> NDArray[np.float64]:
    margin = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return np.where(np.isfinite(margin), margin, np.nan)
