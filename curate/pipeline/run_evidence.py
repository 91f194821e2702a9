"""What a run knows of its labels before any scorer runs: margins of the file, reviewed pairs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from curate.data.json_types import JsonObject
from curate.pipeline.extra_columns import check_extra_columns
from curate.pipeline.file_evidence import FileEvidence, file_evidence
from curate.pipeline.plan import JUDGED, PipelinePlan
from curate.steps.evidence import LabelEvidence
from curate.steps.step_record import StepRecord
from curate.verdicts.files import read_verdicts, verdict_paths
from curate.verdicts.gold import GoldConfig, JudgedPairs, judged_pairs

if TYPE_CHECKING:
    from curate.store.scratch import ScratchSpace


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
