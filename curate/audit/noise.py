"""What held-out heads say of the labels: their agreement, its calibration, and the noise rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from curate.data.table import dense_numbers
from curate.models.heads.calibration import calibrate, reliability_curve
from curate.models.heads.held_out_margins import held_out_margins
from curate.models.heads.noise_rate import told_for
from curate.models.heads.out_of_fold import too_few_prompts, votes, why_too_few
from curate.models.heads.pair_agreement import pair_agreement
from curate.models.heads.posterior.label_posterior import label_posterior
from curate.steps.context import Context

if TYPE_CHECKING:
    from numpy.typing import NDArray


def audit_noise(pairs: pl.DataFrame, context: Context) -> dict[str, Any]:
    """Agreement and calibration of held-out heads, and the noise rate as far as it is known."""
    if problem := why_too_few(pairs, context):
        return {"problem": problem}
    voting = votes(pairs, context)
    held_out = held_out_margins(pairs, context)
    margins, learnt = held_out.margin[voting], held_out.learnt
    calibration = calibrate(margins)
    groups = context.prompt_groups(pairs)[voting]
    findings: dict[str, Any] = {
        "calibration": calibration.facts(),
        "reliability_curve": reliability_curve(calibration.scale * margins),
        "informative": learnt.ok,
        "learnt": learnt.facts(),
        "told": told_for(held_out.margin, voting, pairs, context).facts(),
        "by_annotator": [],
        "by_source": [],
    }
    if not learnt.ok:
        return findings | {"problem": learnt.warning}
    voted = pairs.filter(pl.Series(voting))
    for column in ("annotator", "source"):
        findings[f"by_{column}"] = by_group(voted, column, margins, groups)
    return findings


def suspicion(pairs: pl.DataFrame, context: Context) -> NDArray[np.float64]:
    """Probability that each label is wrong, (pairs,); NaN for ties and with too few prompts."""
    if too_few_prompts(pairs, context):
        return np.full(len(pairs), np.nan)
    return 1.0 - label_posterior(pairs, context).right


def by_group(
    voted: pl.DataFrame, column: str, margins: NDArray[np.float64], groups: NDArray[np.int64]
) -> list[dict[str, Any]]:
    """Pairs and agreement with the heads of each annotator or source, the lowest first.

    Args:
        voted: pairs with a preferred answer.
        column: `annotator` or `source`.
        margins: (voted,) held-out margins.
        groups: (voted,) number of each pair's prompt.
    """
    names = voted[column].fill_null("(none)")
    if names.n_unique() < 2:
        return []
    number = dense_numbers(names)
    rows = []
    for k, name in enumerate(names.unique().sort()):
        agreement = pair_agreement(margins[number == k], groups[number == k])
        rows.append({column: name, **agreement.to_json()})
    return sorted(rows, key=lambda row: float(row["share"]))
