"""What the disagreeing labels are: flips, tastes or cycles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import polars as pl

from curate.data.json_result import JsonResult
from curate.models.heads.noise.estimate import NoiseEstimate
from curate.models.heads.out_of_fold import insufficient_prompts_reason
from curate.steps.context import Context
from curate.steps.registry import build_step, scorer_class

_SCORER = "disagreement"


@dataclass(frozen=True)
class LabelKinds(JsonResult):
    """Shares of the labels by the scorer `disagreement`, and the groups of annotators.

    Attributes:
        problem: why nothing is known; None where it is.
        shares: share of each kind: shared preference, taste, cycle and flip.
        groups: number of groups of annotators.
        sizes: shares of the annotators in each group.
        annotators: annotators with enough votes.
        noise: the share of wrong labels.
        pairs_on_which_groups_differ: pairs on which the groups prefer different answers.
        warnings: what the user should know.
    """

    optional_fields: ClassVar[frozenset[str]] = frozenset(
        (
            *("problem", "shares", "groups", "sizes", "annotators", "noise"),
            *("pairs_on_which_groups_differ", "warnings"),
        )
    )

    problem: str | None = None
    shares: dict[str, float] | None = None
    groups: int | None = None
    sizes: tuple[float, ...] | None = None
    annotators: int | None = None
    noise: NoiseEstimate | None = None
    pairs_on_which_groups_differ: int | None = None
    warnings: tuple[str, ...] | None = None


def audit_disagreement(pairs: pl.DataFrame, context: Context) -> LabelKinds:
    """Return what the scorer `disagreement` says of the labels, with its warnings."""
    if problem := insufficient_prompts_reason(pairs, context):
        return LabelKinds(problem)
    step_context = context.for_step()
    build_step(scorer_class(_SCORER), {}, _SCORER).score(pairs, step_context)
    # The scorer's facts of these names; it has others for the manifest.
    kinds = LabelKinds.from_json(step_context.facts)
    return replace(kinds, warnings=tuple(step_context.warnings))
