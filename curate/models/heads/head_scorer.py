"""What all scorers by held-out heads have in common: when they cannot score, and their status."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, TypeVar

import polars as pl

from curate.models.heads.out_of_fold import status, too_few_prompts
from curate.steps.context import Context
from curate.steps.contracts import Column, Parameters, Scorer

P = TypeVar("P", bound=Parameters)
TOO_FEW_PROMPTS = "too few prompts"
STATUS = Column(
    "status",
    "ok; or why the score is missing or the pair taught the heads nothing "
    f"(tie, identical answers, {TOO_FEW_PROMPTS})",
    kind="text",
)


class HeadScorer(Scorer[P]):
    """A scorer by heads that did not see the pair; its columns end with `STATUS`."""

    needs_embeddings = True

    def __init__(self, **parameters: Any) -> None:
        super().__init__(**parameters)
        # Adapters of a language model depend on that model too.
        self.stored = getattr(self.params, "head", None) != "lora"
        self.reads_texts = not self.stored

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Out-of-fold scores of all pairs, or nulls where there are too few prompts to split."""
        columns = self.columns()
        if too_few_prompts(pairs, context):
            nulls = pl.DataFrame([pl.Series(c.name, [None] * len(pairs), c.dtype) for c in columns])
            return nulls.with_columns(status=pl.lit(TOO_FEW_PROMPTS))
        scores = self.held_out_scores(pairs, context).with_columns(status(pairs, context))
        return scores.select([c.name for c in columns])

    @abstractmethod
    def held_out_scores(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """The columns but `status`, one row a pair, in order."""
