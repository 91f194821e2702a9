"""What a run gives back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from curate.steps.step_record import StepRecord


@dataclass(frozen=True)
class Result:
    """A finished run.

    Attributes:
        scores: pair_id and every score column, one row for each pair read, in order.
        kept: the pair table of the kept pairs, as filters changed them, `weight` if given, and the
            columns that the shards carry.
        dropped: the pair table of the others, with drop_step and drop_reason.
        rejected: file, row and reason of rows that were no pairs.
        steps: what each step did.
        prompt_map: places of prompts in the plane for the report, where the run had embeddings.
        folder: where the run was written, None for a run in memory.
    """

    scores: pl.DataFrame
    kept: pl.DataFrame
    dropped: pl.DataFrame
    rejected: pl.DataFrame
    steps: list[StepRecord]
    prompt_map: pl.DataFrame | None = None
    folder: Path | None = None

    @property
    def rows_in(self) -> int:
        """Pairs read."""
        return len(self.scores)

    @property
    def warnings(self) -> list[str]:
        """What the user should know, each once."""
        return list(dict.fromkeys(w for step in self.steps for w in step.warnings))
