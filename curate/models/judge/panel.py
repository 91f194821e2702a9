"""What several judges' verdicts on the same pairs say of the judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.stats import binomtest, kendalltau

from curate.data.json_result import JsonResult
from curate.models.people.krippendorff import krippendorff_alpha

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MIN_PAIRS = 10
"""Pairs below which a share or a correlation is not reported."""


@dataclass(frozen=True)
class JudgeLeaning(JsonResult):
    """How often a judge sides with the answer that has a trait, beside the other judges.

    Attributes:
        pairs: pairs on which it sides with one answer, and that differ in the trait.
        share: share of them in which it sides with the answer that has it; None with few pairs.
        low: lower end of the exact 95 % interval.
        high: upper end.
        other_share: share of the other judges on the same pairs; None without any. A quality
            that goes with the trait moves both shares, a bias of this judge only the first.
    """

    pairs: int
    share: float | None = None
    low: float | None = None
    high: float | None = None
    other_share: float | None = None


@dataclass(frozen=True)
class JudgeQuality(JsonResult):
    """One judge of a panel.

    Attributes:
        name: its name.
        verdicts: pairs with a readable verdict.
        consistent: share in which both orders name the same winner; None if not known.
        ties: share of ties, including contradictions of the two orders.
        longer: how often it sides with the longer answer.
        own_model: how often it sides with the answer of its own family of models.
    """

    name: str
    verdicts: int
    consistent: float | None
    ties: float
    longer: JudgeLeaning
    own_model: JudgeLeaning


@dataclass(frozen=True)
class JudgeAgreement(JsonResult):
    """Two judges of a panel.

    Attributes:
        first: name of a judge.
        second: name of another one.
        pairs: pairs on which both gave a verdict.
        tau: Kendall's tau-b of their margins; None with few pairs.
    """

    first: str
    second: str
    pairs: int
    tau: float | None


@dataclass(frozen=True)
class PanelQuality(JsonResult):
    """A panel of judges.

    Attributes:
        alpha: Krippendorff's alpha of the verdicts (one answer, the other, tie), whichever answer
            is labelled as chosen; None with few pairs.
        judges: each judge.
        agreement: each two judges.
    """

    alpha: float | None
    judges: tuple[JudgeQuality, ...]
    agreement: tuple[JudgeAgreement, ...]


@dataclass(frozen=True)
class PanelVerdicts:
    """Verdicts of a panel.

    Attributes:
        names: names of the judges.
        margins: (pairs, judges) above 0: it sides with the chosen answer; NaN: no verdict.
        consistent: (pairs, judges) 1 where both orders agree, 0 where not, NaN: not known.
        longer: (pairs,) 1 where the chosen answer is longer, -1 where the rejected one is, 0 equal.
        own_models: by judge, (pairs,) 1 where the chosen answer is by its family of models alone,
            -1 where the rejected one is, else 0.
    """

    names: tuple[str, ...]
    margins: NDArray[np.float64]
    consistent: NDArray[np.float64]
    longer: NDArray[np.float64]
    own_models: Mapping[str, NDArray[np.float64]]


def measure_panel(panel: PanelVerdicts) -> PanelQuality:
    """Return agreement, consistency, and effects of length and of the own model."""
    sides = np.sign(panel.margins)
    judges = tuple(_measure_judge(panel, sides, column) for column in range(len(panel.names)))
    agreement = tuple(
        _agreement(panel, first, second) for first, second in combinations(range(len(judges)), 2)
    )
    return PanelQuality(_alpha(sides), judges, agreement)


def _alpha(sides: NDArray[np.float64]) -> float | None:
    rows, columns = np.nonzero(~np.isnan(sides))
    votes = pl.DataFrame({"task": rows, "label": sides[rows, columns]})
    shared = votes.filter(pl.len().over("task") > 1)
    if shared["task"].n_unique() < _MIN_PAIRS:
        return None
    # Each pair in both orders: which answer is labelled as chosen must not make a side frequent,
    # or agreement on right labels would count as chance.
    turned = shared.select(task=-1 - pl.col("task"), label=-pl.col("label"))
    return krippendorff_alpha(pl.concat([shared, turned]))


def _measure_judge(panel: PanelVerdicts, sides: NDArray[np.float64], column: int) -> JudgeQuality:
    name, own_sides = panel.names[column], sides[:, column]
    has_verdict = ~np.isnan(own_sides)
    count = int(has_verdict.sum())
    consistent = panel.consistent[:, column][has_verdict]
    consistent = consistent[~np.isnan(consistent)]
    other_sides = np.delete(sides, column, axis=1)
    own_model = panel.own_models.get(name, np.zeros(len(sides)))
    return JudgeQuality(
        name,
        count,
        float(consistent.mean()) if len(consistent) else None,
        float((own_sides[has_verdict] == 0).mean()) if count else 0.0,
        _leaning(own_sides, other_sides, panel.longer),
        _leaning(own_sides, other_sides, own_model),
    )


def _leaning(
    sides: NDArray[np.float64], other_sides: NDArray[np.float64], trait: NDArray[np.float64]
) -> JudgeLeaning:
    """Return how often a judge, and the others, side with the answer that has a trait."""
    rows = (np.nan_to_num(sides) != 0) & (trait != 0)
    count = int(rows.sum())
    if count < _MIN_PAIRS:
        return JudgeLeaning(count)
    hits = int((sides[rows] == trait[rows]).sum())
    interval = binomtest(hits, count).proportion_ci()
    decided = np.nan_to_num(other_sides[rows])
    is_decided = decided != 0
    agrees = (decided == trait[rows][:, None])[is_decided]
    other_share = float(agrees.mean()) if len(agrees) else None
    share = hits / count
    return JudgeLeaning(count, share, float(interval.low), float(interval.high), other_share)


def _agreement(panel: PanelVerdicts, first: int, second: int) -> JudgeAgreement:
    both = panel.margins[:, [first, second]]
    both = both[~np.isnan(both).any(axis=1)]
    tau = None
    if len(both) >= _MIN_PAIRS:
        # As for alpha, in both orders: tau must not depend on which answer is labelled as chosen.
        value = kendalltau(*np.concatenate([both, -both]).T).statistic
        tau = None if np.isnan(value) else float(value)
    return JudgeAgreement(panel.names[first], panel.names[second], len(both), tau)


def panel_warnings(quality: PanelQuality) -> list[str]:
    """Return what the user should know of a panel."""
    warnings = []
    for judge in quality.judges:
        for effect, what in ((judge.longer, "longer answer"), (judge.own_model, "own models")):
            if _exceeds_others(effect):
                warnings.append(
                    f"{judge.name} sides with the {what} in {effect.share:.0%} of {effect.pairs:,} "
                    f"pairs, the other judges in {effect.other_share:.0%}"
                )
        if judge.consistent is not None and judge.consistent < 0.5 and judge.verdicts >= _MIN_PAIRS:
            warnings.append(
                f"{judge.name} contradicts itself in the other order in "
                f"{1 - judge.consistent:.0%} of {judge.verdicts:,} pairs"
            )
    return warnings


def _exceeds_others(effect: JudgeLeaning) -> bool:
    return (
        effect.low is not None
        and effect.other_share is not None
        and effect.low > effect.other_share
    )


def undecided_rows(margins: Sequence[NDArray[np.float64]]) -> NDArray[np.int64]:
    """Return the pairs on which judges name no winner: a tie of their votes, or no verdict.

    Args:
        margins: (pairs,) of each judge so far; NaN: no verdict.
    """
    votes = np.sign(np.nan_to_num(np.stack(margins, axis=1)))
    return np.flatnonzero(votes.sum(axis=1) == 0)
