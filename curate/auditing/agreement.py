"""How far several people who voted on the same pair agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from curate.data.json_result import JsonResult
from curate.models.people.krippendorff import krippendorff_alpha
from curate.models.people.votes import dawid_skene_consensus, vote_table

# Pairs that two people both judged; kappa of fewer is noise.
_MIN_SHARED = 5
# The report stays readable with thousands of annotators.
_MAX_ANNOTATORS = 50


@dataclass(frozen=True)
class AnnotatorContradictions(JsonResult):
    """How often the consensus contradicts an annotator.

    Attributes:
        worker: name of the annotator.
        votes: votes on pairs that others voted on too.
        contradicted: share of these votes that differ from the consensus.
    """

    worker: str
    votes: int
    contradicted: float


@dataclass(frozen=True)
class AnnotatorAgreement(JsonResult):
    """How far several people who voted on the same pair agree.

    Attributes:
        pairs_with_several_votes: pairs on which several people voted.
        unanimous: share of them on which all votes are the same; None, as what follows, with
            fewer than five.
        krippendorff_alpha: Krippendorff's alpha, nominal: 1 perfect agreement, 0 chance.
        consensus_contradicts: share of votes that the Dawid-Skene consensus contradicts (1979).
        by_annotator: the same by annotator, the most contradicted first.
    """

    optional_fields: ClassVar[frozenset[str]] = frozenset(
        ("unanimous", "krippendorff_alpha", "consensus_contradicts", "by_annotator")
    )

    pairs_with_several_votes: int
    unanimous: float | None = None
    krippendorff_alpha: float | None = None
    consensus_contradicts: float | None = None
    by_annotator: tuple[AnnotatorContradictions, ...] | None = None


def audit_agreement(pairs: pl.DataFrame) -> AnnotatorAgreement:
    """Return Krippendorff's alpha and the Dawid-Skene consensus, where several people voted on a
    pair.
    """
    # Repeated votes of one person on the same answers are no agreement between people.
    votes = vote_table(pairs).unique(["task", "worker"], keep="first", maintain_order=True)
    shared = votes.filter(pl.len().over("task") > 1)
    tasks = shared["task"].n_unique()
    if tasks < _MIN_SHARED:
        return AnnotatorAgreement(tasks)
    is_unanimous = shared.group_by("task").agg(pl.col("label").n_unique() == 1)["label"]
    compared = shared.join(dawid_skene_consensus(shared), on="task")
    compared = compared.with_columns(wrong=pl.col("label") != pl.col("consensus"))
    return AnnotatorAgreement(
        tasks,
        float(is_unanimous.to_numpy().mean()),
        krippendorff_alpha(shared),
        float(compared["wrong"].sum() / len(compared)),
        _contradictions_by_annotator(compared),
    )


def _contradictions_by_annotator(compared: pl.DataFrame) -> tuple[AnnotatorContradictions, ...]:
    """Return how often votes of each worker are wrong by the consensus, the most often first."""
    workers = compared.group_by("worker").agg(votes=pl.len(), contradicted=pl.col("wrong").mean())
    # The share of a single vote is 0 or 1, which would head every list.
    workers = workers.filter(pl.col("votes") > 1)
    workers = workers.sort("contradicted", "worker", descending=[True, False])
    rows = workers.head(_MAX_ANNOTATORS).iter_rows(named=True)
    return tuple(AnnotatorContradictions(**row) for row in rows)
