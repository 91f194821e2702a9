"""What a run knows of its labels before any scorer runs: margins of the file, judged pairs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from curate.pipeline.file_evidence import FileEvidence, file_evidence
from curate.pipeline.plan import JUDGED, Plan
from curate.steps.evidence import LabelEvidence
from curate.steps.step_record import StepRecord
from curate.verdicts.files import read_verdicts, verdict_paths
from curate.verdicts.gold import GoldConfig, JudgedPairs, judged_pairs

if TYPE_CHECKING:
    from curate.store.workspace import Workspace


@dataclass(frozen=True)
class RunEvidence:
    """Margins of the file, and what people found of the labels.

    Attributes:
        file: margins of the file that scorers take.
        judged: of the labels; None without `gold`.
        gold_files: hash of each file of verdicts.
    """

    file: FileEvidence
    judged: JudgedPairs | None
    gold_files: dict[str, str]

    @property
    def labels(self) -> LabelEvidence:
        """The evidence that every scorer of labels gets."""
        return LabelEvidence(judged=None if self.judged is None else self.judged.labels)

    def in_record(self, record: StepRecord) -> StepRecord:
        """The record of the reading, with what was found."""
        if self.judged is None:
            return replace(record, warnings=(*record.warnings, *self.file.notes))
        gold: dict[str, Any] = self.judged.facts()
        if self.gold_files:
            gold["files"] = self.gold_files
        warnings = (*record.warnings, *self.file.notes, *self.judged.warnings)
        return replace(record, facts=record.facts | {"gold": gold}, warnings=warnings)

    def columns(self, workspace: Workspace) -> list[pl.DataFrame]:
        """The column `gold.judged`, where pairs are judged."""
        if self.judged is None:
            return []
        words = {1: "right", -1: "wrong"}
        labels = pl.Series(JUDGED.name, self.judged.labels)
        judged = labels.replace_strict(words, default=None, return_dtype=pl.String)
        return [workspace.collect(JUDGED.name, iter([judged.to_frame()]))]


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
    plan: Plan, gold: GoldConfig | None, gold_files: dict[str, str], pairs: pl.DataFrame
) -> RunEvidence:
    """The evidence of a run's pairs.

    Args:
        plan: of the run.
        gold: where judged pairs are.
        gold_files: from `check_gold`.
        pairs: the pair table.

    Raises:
        CurateError: a key of the file that no pair has, or verdicts on other pairs.
    """
    judged = None if gold is None else judged_pairs(gold, pairs)
    return RunEvidence(file_evidence(plan.scorers, pairs), judged, gold_files)
