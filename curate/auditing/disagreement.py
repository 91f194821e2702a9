"""What the disagreeing labels are: flips, tastes or cycles."""

from __future__ import annotations

from typing import Any

import polars as pl

from curate.models.heads.out_of_fold import insufficient_prompts_reason
from curate.steps.context import Context
from curate.steps.registry import build_step, scorer_class

_SCORER = "disagreement"
_REPORTED_FACTS = (
    "shares",
    "groups",
    "sizes",
    "annotators",
    "noise",
    "pairs_on_which_groups_differ",
)


def audit_disagreement(pairs: pl.DataFrame, context: Context) -> dict[str, Any]:
    """Return the shares of the labels by the scorer `disagreement`, the groups of annotators, and
    warnings.
    """
    if problem := insufficient_prompts_reason(pairs, context):
        return {"problem": problem}
    step_context = context.for_step()
    build_step(scorer_class(_SCORER), {}, _SCORER).score(pairs, step_context)
    findings = {
        key: step_context.facts[key] for key in _REPORTED_FACTS if key in step_context.facts
    }
    return findings | {"warnings": step_context.warnings}
