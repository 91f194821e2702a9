"""The noise rate by three estimators side by side, with intervals and caveats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from scipy.special import expit

from curate.data.table import dense_numbers
from curate.models.heads.calibration import agreement, calibrate, reliability_curve
from curate.models.heads.held_out_margins import held_out_margins
from curate.models.heads.label_noise import fit_annotators, fit_label_noise
from curate.models.heads.noise_rate import told_for
from curate.models.heads.out_of_fold import too_few_prompts, votes, why_too_few
from curate.models.heads.posterior.label_posterior import label_posterior
from curate.models.text.contamination import confident_rate, holder_contamination
from curate.steps.context import Context

if TYPE_CHECKING:
    from numpy.typing import NDArray

Estimator = Callable[["NDArray[np.float64]"], float]
# Each fits the noise anew; ends of an interval vary little beyond that.
_RESAMPLES = 100
# Of confidence intervals.
_LEVEL = 0.95
_NARROWEST, _AT_BOUND = 1e-6, 2e-3
"""Width of an interval, and distance of a rate from the ends of its range, that mean nothing."""


@dataclass(frozen=True)
class Estimate:
    """A noise rate.

    Attributes:
        name: of the estimator.
        rate: share of wrong labels, NaN where it cannot be told.
        low: lower end of the 95 % bootstrap interval over prompts.
        high: upper end.
        caveat: how to read it.
    """

    name: str
    rate: float
    low: float
    high: float
    caveat: str


def _flip_rate(margins: NDArray[np.float64]) -> float:
    return fit_label_noise(margins).rate


def _holder(margins: NDArray[np.float64]) -> float:
    return holder_contamination(expit(margins))


def _confident(margins: NDArray[np.float64]) -> float:
    return confident_rate(expit(margins))


ESTIMATORS: tuple[tuple[str, Estimator, str], ...] = (
    (
        "label_em",
        _flip_rate,
        "flips apart from ambiguity, read off the plateau at large margins; loose where heads have "
        "no large margins (then the interval is wide)",
    ),
    (
        "confident learning",
        _confident,
        "labels that the heads disbelieve: ambiguity and weak heads count as noise; an upper bound",
    ),
    (
        "Hoelder",
        _holder,
        "contamination of the tail; no bound: it can fall as noise rises, and is near 0 where "
        "heads have no confident margins",
    ),
)


def audit_noise(pairs: pl.DataFrame, context: Context) -> dict[str, Any]:
    """Calibration of held-out heads, then the estimates that rest on them, as plain data."""
    if problem := why_too_few(pairs, context):
        return {"problem": problem}
    voting = votes(pairs, context)
    held_out = held_out_margins(pairs, context)
    margins, learnt = held_out.margin[voting], held_out.learnt
    calibration = calibrate(margins)
    scaled = calibration.scale * margins
    groups = context.prompt_groups(pairs)[voting]
    found: dict[str, Any] = {
        "calibration": calibration.facts(),
        "reliability_curve": reliability_curve(scaled),
        "informative": learnt.ok,
        "learnt": learnt.facts(),
        "told": told_for(held_out.margin, voting, pairs, context).facts(),
        "estimates": [],
        "by_annotator": [],
        "by_source": [],
    }
    # Estimators would report where their fits began: nothing is told instead.
    if not learnt.ok:
        return found | {"problem": learnt.warning}
    found["estimates"] = [asdict(e) for e in estimates(scaled, groups, context)]
    found["by_annotator"] = by_group(pairs, "annotator", margins, voting)
    found["by_source"] = by_group(pairs, "source", margins, voting)
    return found


def suspicion(pairs: pl.DataFrame, context: Context) -> NDArray[np.float64]:
    """Probability that each label is wrong, (pairs,); NaN for ties and with too few prompts."""
    if too_few_prompts(pairs, context):
        return np.full(len(pairs), np.nan)
    return 1.0 - label_posterior(pairs, context).right


def estimates(
    margins: NDArray[np.float64],
    groups: NDArray[np.int64],
    context: Context,
    resamples: int = _RESAMPLES,
) -> list[Estimate]:
    """All estimators on (pairs,) calibrated margins; whole prompts are resampled for intervals."""
    draws = _resamples(groups, context.rng("bootstrap"), resamples)
    with context.progress.task("bootstrap", len(ESTIMATORS) * len(draws)) as task:
        return [_estimate(*e, margins, draws, task) for e in ESTIMATORS]


def _estimate(
    name: str,
    estimator: Estimator,
    caveat: str,
    margins: NDArray[np.float64],
    draws: list[NDArray[np.int64]],
    task: Any,
) -> Estimate:
    values = []
    for rows in draws:
        values.append(estimator(margins[rows]))
        task.advance()
    # A resample whose fit fails is NaN, and says nothing of the spread.
    tail = (1.0 - _LEVEL) / 2.0
    low, high = (
        np.nanquantile(values, [tail, 1.0 - tail])
        if np.isfinite(values).any()
        else (
            float("nan"),
            float("nan"),
        )
    )
    rate, unknown = estimator(margins), float("nan")
    if not high - low > _NARROWEST or not _AT_BOUND < rate < 0.5 - _AT_BOUND:
        # Where the fit starts or ends is no estimate.
        rate = unknown
        low, high = (low, high) if high - low > _NARROWEST else (unknown, unknown)
    return Estimate(name, rate, float(low), float(high), caveat)


def _resamples(
    groups: NDArray[np.int64], rng: np.random.Generator, count: int
) -> list[NDArray[np.int64]]:
    """Rows of each bootstrap draw of prompts."""
    # Rows of a prompt side by side: a draw of prompts is then a draw of ranges.
    order = np.argsort(groups, kind="stable")
    _, starts, counts = np.unique(groups[order], return_index=True, return_counts=True)
    draws = []
    for _ in range(count):
        taken = rng.integers(len(starts), size=len(starts))
        sizes = counts[taken]
        offsets = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        draws.append(order[np.repeat(starts[taken], sizes) + offsets])
    return draws


def by_group(
    pairs: pl.DataFrame, column: str, margins: NDArray[np.float64], voting: NDArray[np.bool_]
) -> list[dict[str, Any]]:
    """Pairs, agreement with the heads and fitted error of each annotator or source.

    The error is 1 - eta of LCPO / RE-PO's EM, shrunk towards the whole data set's: it orders them,
    and is no estimate of a rate where the labels do not determine one.
    """
    names = pairs[column].filter(pl.Series(voting)).fill_null("(none)")
    if names.n_unique() < 2:
        return []
    number = dense_numbers(names)
    # Shrunk: a rate of few labels would be the most or the least by chance.
    fitted = fit_annotators(margins, number)
    agree = np.bincount(number, weights=agreement(margins))
    counts = np.bincount(number)
    rows = [
        {
            column: name,
            "pairs": int(counts[k]),
            "heads_agree": float(agree[k] / counts[k]),
            "fitted_error": float(1.0 - fitted.reliability[k]),
        }
        for k, name in enumerate(names.unique().sort())
    ]
    return sorted(rows, key=lambda row: -float(row["fitted_error"]))
