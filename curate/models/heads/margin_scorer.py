"""What scorers on `label_posterior` have in common: parameters, columns and status."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
import polars as pl
from pydantic import Field

from curate.models.heads.head_scorer import HeldOutScorer
from curate.models.heads.out_of_fold import training_status
from curate.models.heads.posterior.label_posterior import LabelPosterior, label_posterior
from curate.models.heads.ridge.margins import Trait
from curate.steps.context import Context
from curate.steps.contracts import HIGHER, Column
from curate.steps.declarations import Input, Scope
from curate.steps.evidence_params import FILE_SOURCE, EvidenceParameters, SourceColumns

if TYPE_CHECKING:
    from numpy.typing import NDArray

POSTERIOR_COLUMNS = (
    Column(
        "posterior",
        "probability that the label is right; usable as a training weight",
        "float",
        HIGHER,
        "0 to 1",
    ),
    Column("margin", "held-out margin of the label, without votes", "float", HIGHER, "nats"),
    Column("heads", "what held-out heads say for the label", "float", HIGHER, "nats"),
    Column("votes", "what other votes on the same answers say for it", "float", HIGHER, "nats"),
    Column(
        "evidence",
        "what all sources of evidence say for it; of several, each in `evidence_<source>`",
        "float",
        HIGHER,
        "nats",
    ),
)
"""Columns of scorers that use the averaged posterior: `right` and `terms` of `LabelPosterior`."""


class MarginParams(EvidenceParameters):
    """Parameters of scorers on `label_posterior`.

    Examples:
        >>> params = MarginParams(within=["length"])
        >>> params.style, params.within
        (True, ('length',))
    """

    style: bool = Field(
        True,
        description="Whether heads see style, counts and length too; false: embeddings only.",
    )
    within: tuple[Trait, ...] = Field(
        (),
        description="[length]: doubt labels beside pairs of like difference in length alone, so "
        "that length does not decide which are doubted.",
    )

    def posterior(self, pairs: pl.DataFrame, context: Context) -> LabelPosterior:
        """Return the posterior of these parameters; scorers that ask for the same one share it."""
        return label_posterior(pairs, context, self.style, self.within)


P = TypeVar("P", bound=MarginParams)


class MarginScorer(HeldOutScorer[P], SourceColumns):
    """A scorer on the posterior of `label_posterior`.

    Examples:
        >>> class Doubt(MarginScorer[MarginParams]):
        ...     name, summary, Params = "doubt", "Probability of a wrong label.", MarginParams
        ...
        ...     def columns(self):
        ...         return (Column("wrong", "probability of a wrong label", unit="0 to 1"), STATUS)
        ...
        ...     def held_out_scores(self, pairs, context):
        ...         right = self.params.posterior(pairs, context).right
        ...         return pl.DataFrame({"wrong": 1.0 - right})
        >>> Doubt(style=False).params.style
        False
    """

    # Of texts it counts words and the like.
    inputs = frozenset({Input.TEXTS, Input.EMBEDDINGS})
    scope = Scope.PARTITIONED

    def status(self, pairs: pl.DataFrame, context: Context) -> pl.Series:
        """Return the status of each pair: every vote has a posterior, and reviewed pairs
        are marked."""
        return self.params.posterior(pairs, context).status(training_status(pairs, context))

    @property
    def posterior_columns(self) -> tuple[Column, ...]:
        """Return the posterior, its terms, and the contribution of each source of evidence."""
        return (*POSTERIOR_COLUMNS, *self.source_columns)

    def posterior_terms(
        self, posterior: LabelPosterior, context: Context
    ) -> tuple[NDArray[np.float64], ...]:
        """Return values of `posterior_columns` but the first; a source that says nothing has 0."""
        sources = context.evidence.sources
        parts = {
            # Scores found in the file are known only once it is read, so they share one fixed
            # column.
            s.name if s.name in self.source_names else FILE_SOURCE: component
            for s, component in zip(sources, posterior.components, strict=True)
        }
        nothing = np.zeros(len(posterior.right))
        return (*posterior.terms, *(parts.get(name, nothing) for name in self.source_names))
