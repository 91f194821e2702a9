"""The share of wrong labels from a few judged pairs, valid whatever the model.

Prediction-powered inference (Angelopoulos et al. 2023, Science 382; tuned as in PPI++, arXiv
2311.01453): the mean of predictions over all pairs, corrected by what judged pairs say of them. A
prediction that tells nothing gets no weight, and what is left is the plain sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from scipy.special import expit, logit
from scipy.stats import beta, t

from curate.errors import CurateError
from curate.models.heads.noise_rate import ToldRate

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Of confidence intervals.
_LEVEL = 0.95
_FEWEST = 10
"""Wrong, and right, labels among the judged below which a normal interval is too narrow."""
_WRONG = {"keep": 0.0, "flip": 1.0, "tie": 0.5}


@dataclass(frozen=True)
class Stratum:
    """Judged pairs of one stratum of a sample.

    Attributes:
        size: pairs of the stratum in all.
        wrong: (judged,) 1 for a wrong label, 0 for a right one, a half for a tie.
        judged: (judged,) their predicted probability of being wrong.
        mean: mean prediction over the whole stratum.
    """

    size: int
    wrong: NDArray[np.float64]
    judged: NDArray[np.float64]
    mean: float


def gold_rate(strata: list[Stratum]) -> ToldRate:
    """The share of wrong labels with its interval at 95 %.

    sum_h W_h [lambda mean_h(f) + mean of (y - lambda f) over the judged of h], with the lambda of
    least variance; Student's t with judged minus strata degrees of freedom, in log odds. With
    fewer than ten wrong or right labels among the judged it is exact instead: Clopper-Pearson in
    each stratum, at a level corrected for their number.
    """
    total = sum(s.size for s in strata)
    shares = np.array([s.size / total for s in strata])
    judged = sum(len(s.wrong) for s in strata)
    wrong = float(sum(s.wrong.sum() for s in strata))
    why = f"by {judged:,} judged pairs of {total:,}"
    if min(wrong, judged - wrong) < _FEWEST or min(len(s.wrong) for s in strata) < 2:
        low, high = _exact(strata, shares)
        rate = float(shares @ [s.wrong.mean() for s in strata])
        told = f"{rate:.1%}, between {low:.1%} and {high:.1%} ({why})"
        if low <= 0.0:
            return ToldRate(None, 0.0, high, f"at most {high:.1%} ({why})")
        return ToldRate(rate, low, high, told)
    weight = _weight(strata, shares)
    parts = [s.wrong - weight * s.judged for s in strata]
    rate = float(shares @ [weight * s.mean + p.mean() for s, p in zip(strata, parts, strict=True)])
    variance = sum(
        share**2 * p.var(ddof=1) / len(p) * (1.0 - len(p) / s.size)
        for share, s, p in zip(shares, strata, parts, strict=True)
    )
    rate = min(max(rate, 1.0 / (2 * total)), 1.0 - 1.0 / (2 * total))
    quantile = float(t.ppf((1 + _LEVEL) / 2, judged - len(strata)))
    # On the scale of log odds, where a small rate's estimate is nearer to normal.
    half = quantile * math.sqrt(float(variance)) / (rate * (1.0 - rate))
    low, high = float(expit(logit(rate) - half)), float(expit(logit(rate) + half))
    return ToldRate(rate, low, high, f"{rate:.1%}, between {low:.1%} and {high:.1%} ({why})")


def _weight(strata: list[Stratum], shares: NDArray[np.float64]) -> float:
    """The lambda in [0, 1] of least variance: a regression of truth on prediction."""
    covariance, spread = 0.0, 0.0
    for share, s in zip(shares, strata, strict=True):
        matrix = np.cov(s.wrong, s.judged)
        covariance += share**2 * matrix[0, 1] / len(s.wrong)
        spread += share**2 * matrix[1, 1] / len(s.wrong)
    return float(np.clip(covariance / spread, 0.0, 1.0)) if spread > 0 else 0.0


def _exact(strata: list[Stratum], shares: NDArray[np.float64]) -> tuple[float, float]:
    level = (1.0 - _LEVEL) / 2.0 / len(strata)
    low, high = 0.0, 0.0
    for share, s in zip(shares, strata, strict=True):
        # Half a label for a tie: rounded to the side that widens the interval.
        some, count = float(s.wrong.sum()), len(s.wrong)
        least, most = math.floor(some), math.ceil(some)
        low += share * (beta.ppf(level, least, count - least + 1) if least else 0.0)
        high += share * (beta.isf(level, most + 1, count - most) if most < count else 1.0)
    return float(low), float(high)


def audit_gold(
    pairs: pl.DataFrame,
    predicted: NDArray[np.float64],
    verdicts: pl.DataFrame,
    sample: pl.DataFrame | None = None,
) -> dict[str, Any]:
    """The rate by judged pairs, as plain data.

    Args:
        pairs: the pair table.
        predicted: (pairs,) probability that the label is wrong, NaN where unknown.
        verdicts: pair_id and verdict; several on a pair count by their mean, a tie as half wrong.
        sample: pair_id and stratum of all pairs, and whether each was drawn to be judged, as
            `curate route --random` and `--stratified` write it; None: the judged pairs are taken
            as a random sample.

    Raises:
        CurateError: no verdict on a pair that was drawn.
    """
    votes = verdicts.filter(pl.col("verdict").is_in(list(_WRONG)))
    number = pl.col("verdict").replace_strict(_WRONG, return_dtype=pl.Float64)
    wrong = votes.group_by("pair_id").agg(wrong=number.mean())
    frame = pairs.select("pair_id", "is_tie", f=pl.Series(predicted).fill_nan(None))
    frame = frame.filter(~pl.col("is_tie")).with_columns(
        pl.col("f").fill_null(pl.col("f").mean()).fill_null(0.5)
    )
    if sample is None:
        frame = frame.with_columns(stratum=pl.lit(0), drawn=pl.lit(True))
    else:
        frame = frame.join(sample.select("pair_id", "stratum", "drawn"), on="pair_id")
    frame = frame.join(wrong, on="pair_id", how="left").sort("pair_id")
    strata = [
        Stratum(
            len(rows),
            (judged := rows.filter("drawn", pl.col("wrong").is_not_null()))["wrong"].to_numpy(),
            judged["f"].to_numpy(),
            float(rows["f"].mean()),  # type: ignore[arg-type]
        )
        for _, rows in frame.group_by("stratum", maintain_order=True)
    ]
    if not strata or any(not len(s.wrong) for s in strata):
        raise CurateError(
            "the judged pairs tell no rate",
            where="--gold",
            found=f"{len(verdicts)} verdicts, {len(votes)} of them keep, flip or tie; a stratum of "
            "the sample has none",
            fix="judge all pairs that were drawn, and audit the run that they were drawn from",
        )
    return gold_rate(strata).facts() | {
        "judged": sum(len(s.wrong) for s in strata),
        "of": len(frame),
        "verdicts_without_a_vote": len(verdicts) - len(votes),
    }
