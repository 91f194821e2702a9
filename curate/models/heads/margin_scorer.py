"""What scorers on `held_out_margins` have in common: texts, and what heads may not tell."""

from __future__ import annotations

from typing import Any, TypeVar

import polars as pl
from pydantic import Field

from curate.models.heads.head_scorer import HeadScorer
from curate.models.heads.held_out_margins import HeldOut, Trait, held_out_margins
from curate.models.heads.out_of_fold import status
from curate.steps.context import Context
from curate.steps.evidence_params import EvidenceParameters


class MarginParams(EvidenceParameters):
    """Parameters of scorers on `held_out_margins`."""

    style: bool = Field(
        True,
        description="Whether heads see style, counts and length too; false: embeddings alone.",
    )
    within: tuple[Trait, ...] = Field(
        (),
        description="[length]: doubt labels beside pairs of like difference in length alone, so "
        "that length does not decide which are doubted.",
    )

    def margins(self, pairs: pl.DataFrame, context: Context) -> HeldOut:
        """The margins of these parameters; scorers that ask for the same ones share them."""
        return held_out_margins(pairs, context, self.style, self.within)


P = TypeVar("P", bound=MarginParams)


class MarginScorer(HeadScorer[P]):
    """A scorer on the margins of `held_out_margins`."""

    def __init__(self, **parameters: Any) -> None:
        super().__init__(**parameters)
        self.reads_texts = True  # their counts
        self.in_parts = True

    def status(self, pairs: pl.DataFrame, context: Context) -> pl.Series:
        """Other votes on the same answers may tell of a pair where heads learn nothing."""
        return self.params.margins(pairs, context).status(status(pairs, context))
