"""What a run knows of its labels before any scorer, and what each scorer gets of it as evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
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
from curate.data.json_types import JsonObject
from curate.errors import CurateError, suggestion
from curate.pipeline.extra_columns import check_extra_columns
from curate.pipeline.plan import JUDGED, PipelinePlan
from curate.pipeline.scorer_step import ScorerStep
from curate.steps.evidence import EvidenceSource, LabelEvidence
from curate.steps.evidence_params import EvidenceColumn
from curate.steps.step_record import StepRecord
from curate.verdicts.files import read_verdicts, verdict_paths
from curate.verdicts.gold import GoldConfig, JudgedPairs, judged_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.store.scratch import ScratchSpace


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
        # A named source without any number is a misspelled key, not a source that is silent.
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


@dataclass(frozen=True)
class RunEvidence:
    """Margins of the file, and what people found of the labels.

    Attributes:
        file: margins of the file that scorers take.
        judgements: verdicts on the labels; None without `gold`.
        gold_files: hash of each file of verdicts.
    """

    file: FileEvidence
    judgements: JudgedPairs | None
    gold_files: dict[str, str]

    @property
    def labels(self) -> LabelEvidence:
        """Return the evidence that every scorer of labels gets."""
        return LabelEvidence(verdicts=None if self.judgements is None else self.judgements.labels)

    def in_record(self, record: StepRecord) -> StepRecord:
        """Return the record of the reading, with what was found."""
        if self.judgements is None:
            return replace(record, warnings=(*record.warnings, *self.file.notes))
        gold: JsonObject = {**self.judgements.facts()}
        if self.gold_files:
            gold["files"] = self.gold_files
        warnings = (*record.warnings, *self.file.notes, *self.judgements.warnings)
        return replace(record, facts={**record.facts, "gold": gold}, warnings=warnings)

    def columns(self, scratch: ScratchSpace) -> list[pl.DataFrame]:
        """Return the column `gold.judged`, if pairs are reviewed."""
        if self.judgements is None:
            return []
        words = {1: "right", -1: "wrong"}
        labels = pl.Series(JUDGED.name, self.judgements.labels)
        verdicts = labels.replace_strict(words, default=None, return_dtype=pl.String)
        return [scratch.collect(JUDGED.name, iter([verdicts.to_frame()]))]


def check_gold(gold: GoldConfig | None) -> dict[str, str]:
    """Refuse verdicts that can't be read, before the pairs are; returns a hash of each file."""
    if gold is None or gold.column is not None:
        return {}
    paths = [Path(path).expanduser() for path in gold.verdicts]
    # Only for its errors: the verdicts are matched once the pairs are known.
    read_verdicts(paths)
    return {
        str(path): blake2b(path.read_bytes(), digest_size=16).hexdigest()
        for path in verdict_paths(paths)
    }


def run_evidence(
    plan: PipelinePlan, gold: GoldConfig | None, gold_files: dict[str, str], pairs: pl.DataFrame
) -> RunEvidence:
    """Return the evidence of a run's pairs.

    Args:
        plan: the plan of the run.
        gold: where the verdicts on reviewed pairs are.
        gold_files: the result of `check_gold`.
        pairs: the pair table.

    Raises:
        CurateError: a key of the file that no pair has, or verdicts on other pairs.
    """
    check_extra_columns(plan.columns_of_filters, pairs)
    judgements = None if gold is None else judged_pairs(gold, pairs)
    return RunEvidence(file_evidence(plan.scorers, pairs), judgements, gold_files)


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
    # An infinite margin would outvote every other source of its pair.
    return np.where(np.isfinite(margin), margin, np.nan)
