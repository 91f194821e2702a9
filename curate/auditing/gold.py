"""The share of wrong labels from a few reviewed pairs, valid regardless of the model.

Prediction-powered inference (Angelopoulos et al. 2023, Science 382; tuned as in PPI++, arXiv
2311.01453): the mean of predictions over all pairs, corrected by what reviewed pairs say of them. A
prediction that carries no information gets no weight, and the plain sample remains.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import numpy as np
import polars as pl
from pydantic import Field
from scipy.special import expit, logit
from scipy.stats import beta, t

from curate.auditing.confidence_sequence import ConfidenceSequence, DrawDesign
from curate.data.json_types import JsonObject
from curate.errors import CurateError
from curate.models.heads.noise.estimate import NoiseEstimate
from curate.option_names import option_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Coverage of confidence intervals.
_LEVEL = 0.95
_MIN_WRONG_AND_RIGHT = 10
"""Wrong, and right, labels among the reviewed below which a normal interval is too narrow."""
_MIN_VERDICTS = 10
"""Verdicts below which no rate is reported: of nine right labels the interval ends above 33 %."""
_WRONG_SHARE = {"keep": 0.0, "flip": 1.0, "tie": 0.5}


@dataclass(frozen=True, kw_only=True)
class GoldRate(NoiseEstimate):
    """The share of wrong labels by reviewed pairs, and how far the review went.

    Attributes:
        judged_pairs: reviewed pairs with a verdict on their label.
        sample_size: pairs of the sample; None without a sample.
        resume: the command that continues the review; None where it is complete.
        labelled_pairs: pairs that have a label.
        verdicts_without_a_vote: reviewed pairs that were skipped or are unusable.
        warnings: what the user should know of the verdicts.
        anytime_low: lower limit that holds whenever the reviewer stops; None without a sample
            that was reviewed in its order.
        anytime_high: upper limit.
    """

    judged_pairs: Annotated[int, Field(validation_alias="judged")]
    sample_size: Annotated[int | None, Field(validation_alias="drawn")]
    resume: str | None
    labelled_pairs: Annotated[int, Field(validation_alias="of")]
    verdicts_without_a_vote: int
    warnings: tuple[str, ...] = ()
    anytime_low: float | None = None
    anytime_high: float | None = None

    def to_json(self) -> JsonObject:
        """Return the rate as plain data, under the keys of audit.json."""
        keys = {"judged_pairs": "judged", "sample_size": "drawn", "labelled_pairs": "of"}
        return {keys.get(name, name): value for name, value in super().to_json().items()}


@dataclass(frozen=True)
class Stratum:
    """Reviewed pairs of one stratum of a sample.

    Attributes:
        size: pairs of the stratum in all.
        wrong: (judged,) 1 for a wrong label, 0 for a right one, a half for a tie.
        predictions: (judged,) their predicted probability of being wrong.
        mean: mean prediction over the whole stratum.
    """

    size: int
    wrong: NDArray[np.float64]
    predictions: NDArray[np.float64]
    mean: float


def estimate_gold_rate(strata: list[Stratum]) -> NoiseEstimate:
    """Return the share of wrong labels with its interval at 95 %.

    sum_h W_h [lambda mean_h(f) + mean of (y - lambda f) over the judged of h], with the lambda of
    least variance; Student's t with judged minus strata degrees of freedom, in log odds. With
    fewer than ten wrong or right labels among the judged it is exact instead: Clopper-Pearson in
    each stratum, at a level corrected for their number.
    """
    total = sum(s.size for s in strata)
    shares = np.array([s.size / total for s in strata])
    judged_count = sum(len(s.wrong) for s in strata)
    wrong = float(sum(s.wrong.sum() for s in strata))
    basis = f"from {judged_count:,} reviewed pairs of {total:,}"
    # With few wrong or right labels a normal interval is too narrow; exact limits always hold.
    if (
        min(wrong, judged_count - wrong) < _MIN_WRONG_AND_RIGHT
        or min(len(s.wrong) for s in strata) < 2
    ):
        return _exact_estimate(strata, shares, basis)
    weight = _least_variance_weight(strata, shares)
    corrections = [s.wrong - weight * s.predictions for s in strata]
    rate = float(
        shares @ [weight * s.mean + p.mean() for s, p in zip(strata, corrections, strict=True)]
    )
    # Stratified sampling without replacement: the last factor is the finite population correction.
    variance = sum(
        share**2 * p.var(ddof=1) / len(p) * (1.0 - len(p) / s.size)
        for share, s, p in zip(shares, strata, corrections, strict=True)
    )
    # Half a label away from 0 and 1, where the log odds below would be infinite.
    rate = min(max(rate, 1.0 / (2 * total)), 1.0 - 1.0 / (2 * total))
    quantile = float(t.ppf((1 + _LEVEL) / 2, judged_count - len(strata)))
    # On the scale of log odds, where a small rate's estimate is nearer to normal.
    half = quantile * math.sqrt(float(variance)) / (rate * (1.0 - rate))
    low, high = float(expit(logit(rate) - half)), float(expit(logit(rate) + half))
    return NoiseEstimate(rate, low, high, f"{rate:.1%}, between {low:.1%} and {high:.1%} ({basis})")


def _exact_estimate(
    strata: list[Stratum], shares: NDArray[np.float64], basis: str
) -> NoiseEstimate:
    """Return the share of wrong labels with its exact interval."""
    low, high = _exact_limits(strata, shares)
    rate = float(shares @ [s.wrong.mean() for s in strata])
    text = f"{rate:.1%}, between {low:.1%} and {high:.1%} ({basis})"
    # A lower limit of 0 is compatible with no wrong label at all: only the bound is reported.
    if low <= 0.0:
        return NoiseEstimate(None, 0.0, high, f"at most {high:.1%} ({basis})")
    return NoiseEstimate(rate, low, high, text)


def _least_variance_weight(strata: list[Stratum], shares: NDArray[np.float64]) -> float:
    """Return the lambda in [0, 1] of least variance: a regression of truth on prediction."""
    covariance, spread = 0.0, 0.0
    for share, s in zip(shares, strata, strict=True):
        # PPI++ (arXiv 2311.01453) tunes lambda by this regression. A few reviews can push it
        # outside [0, 1], where it is clipped.
        matrix = np.cov(s.wrong, s.predictions)
        covariance += share**2 * matrix[0, 1] / len(s.wrong)
        spread += share**2 * matrix[1, 1] / len(s.wrong)
    return float(np.clip(covariance / spread, 0.0, 1.0)) if spread > 0 else 0.0


def _exact_limits(strata: list[Stratum], shares: NDArray[np.float64]) -> tuple[float, float]:
    # Bonferroni over the strata: their limits hold together, and so does the weighted sum.
    level = (1.0 - _LEVEL) / 2.0 / len(strata)
    low, high = 0.0, 0.0
    for share, s in zip(shares, strata, strict=True):
        # Half a label for a tie: rounded to the side that widens the interval.
        wrong, count = float(s.wrong.sum()), len(s.wrong)
        fewest_wrong, most_wrong = math.floor(wrong), math.ceil(wrong)
        low += share * (
            beta.ppf(level, fewest_wrong, count - fewest_wrong + 1) if fewest_wrong else 0.0
        )
        high += share * (
            beta.isf(level, most_wrong + 1, count - most_wrong) if most_wrong < count else 1.0
        )
    return float(low), float(high)


def _measure_coverage(sampled: pl.DataFrame, verdict_count: int) -> ReviewCoverage:
    """Return how much of the sample is reviewed; raise CurateError where nothing is."""
    reviewed_count, vote_count = int(sampled["reviewed"].sum()), int(sampled["wrong"].count())
    if not reviewed_count:
        raise CurateError(
            "no verdict on a sampled pair",
            where=option_name("gold"),
            found=f"{verdict_count:,} verdicts, on other pairs",
            fix="give the dataset of the reviewed pairs, and its sample by "
            f"{option_name('sample')}",
        )
    return ReviewCoverage(len(sampled), reviewed_count, vote_count)


def audit_gold(
    pairs: pl.DataFrame,
    predicted: NDArray[np.float64],
    verdicts: pl.DataFrame,
    sample: pl.DataFrame | None = None,
    resume: str = "curate review DRAWN",
) -> GoldRate:
    """Return the rate by reviewed pairs; no rate if they are not a random sample.

    The first pairs of a draw are one. Others are not: which have a verdict may depend on labels.

    Args:
        pairs: the pair table.
        predicted: (pairs,) probability that the label is wrong, NaN where unknown.
        verdicts: pair_id and verdict on labels as they stand in `pairs` (`match_verdicts`), perhaps
            `blind`; several on a pair count by their mean, a tie as half wrong.
        sample: the draw, with the columns of `curate.people.sampling.draw_sample`.
        resume: the command that continues the review.

    Raises:
        CurateError: no verdict on any of the pairs, or of those drawn.
    """
    frame, has_sample = _join_judgements(pairs, predicted, verdicts, sample), sample is not None
    sampled = frame.filter("drawn")
    coverage = _measure_coverage(sampled, len(verdicts))
    problem = _selection_problem(sampled, coverage, verdicts, has_sample, resume)
    rate, sequence = NoiseEstimate(None, None, None, f"no rate: {problem}"), None
    if problem is None:
        sequence = _sequence_of_sample(frame) if has_sample else None
        rate = _rate_with_notes(frame, coverage, verdicts, has_sample, sequence)
    return GoldRate(
        **vars(rate),
        anytime_low=None if sequence is None else sequence.low,
        anytime_high=None if sequence is None else sequence.high,
        judged_pairs=coverage.votes,
        sample_size=coverage.size if has_sample else None,
        resume=resume if has_sample and coverage.reviewed < coverage.size else None,
        labelled_pairs=len(frame),
        verdicts_without_a_vote=coverage.reviewed - coverage.votes,
    )


def _rate_with_notes(
    frame: pl.DataFrame,
    coverage: ReviewCoverage,
    verdicts: pl.DataFrame,
    has_sample: bool,
    sequence: ConfidenceSequence | None,
) -> NoiseEstimate:
    """Return the rate, with what limits it in its sentence."""
    if has_sample and frame["weight"].n_unique() > 1:
        # Pairs were drawn with different probabilities: their plain mean estimates nothing.
        assert sequence is not None
        rate = _weighted_rate(sequence, len(frame))
    else:
        groups = frame.group_by("stratum", maintain_order=True)
        rate = estimate_gold_rate([_stratum_of_rows(rows) for _, rows in groups])
    rate = _qualify_rate(rate, coverage, has_sample)
    # An early stop may depend on what was found: the fixed-size interval is then too narrow.
    if sequence is not None and coverage.reviewed < coverage.size:
        limits = f"{sequence.low:.1%} to {sequence.high:.1%}"
        rate = replace(rate, text=f"{rate.text}; valid whenever you stop: {limits}")
    undrawn = frame.filter(~pl.col("drawn"), pl.col("reviewed"))
    notes = {
        "verdicts were made with the label visible": _count_unblinded(verdicts),
        "reviewed pairs outside the sample are ignored": len(undrawn),
    }
    texts = (rate.text, *(f"{count:,} {note}" for note, count in notes.items() if count))
    return replace(rate, text="; ".join(texts))


def _sequence_of_sample(frame: pl.DataFrame) -> ConfidenceSequence | None:
    """Return the confidence sequence of the reviewed pairs; None for a sample in strata."""
    design = DrawDesign.from_sample(frame)
    if design is None:
        return None
    sequence = ConfidenceSequence(design)
    rows = frame.with_row_index("at").filter("drawn", "reviewed").sort("order")
    sequence.add_all(rows.select("at", "wrong").iter_rows())
    return sequence


def _weighted_rate(sequence: ConfidenceSequence, total: int) -> NoiseEstimate:
    """Return the rate of an active draw."""
    rate, low, high = sequence.rate, sequence.low, sequence.high
    assert rate is not None
    basis = f"from {sequence.votes:,} actively drawn pairs of {total:,}, weighted by their chance"
    return NoiseEstimate(rate, low, high, f"{rate:.1%}, between {low:.1%} and {high:.1%} ({basis})")


@dataclass(frozen=True)
class ReviewCoverage:
    """How much of a sample was reviewed.

    Attributes:
        size: pairs that were drawn; without a draw all pairs.
        reviewed: pairs with any verdict, including skips.
        votes: pairs with a verdict on their label.
    """

    size: int
    reviewed: int
    votes: int


def _join_judgements(
    pairs: pl.DataFrame,
    predicted: NDArray[np.float64],
    verdicts: pl.DataFrame,
    sample: pl.DataFrame | None,
) -> pl.DataFrame:
    """Return the prediction `f`, stratum, drawn, order, `reviewed` and `wrong` of each pair but
    ties.
    """
    number = pl.col("verdict").replace_strict(_WRONG_SHARE, default=None, return_dtype=pl.Float64)
    judgements = verdicts.group_by("pair_id").agg(
        wrong=number.mean(), reviewed=pl.lit(True).first()
    )
    frame = pairs.select("pair_id", "is_tie", f=pl.Series(predicted).fill_nan(None))
    # A tie has no label that could be wrong. Pairs without a prediction get the mean, which carries
    # no information.
    frame = frame.filter(~pl.col("is_tie")).with_columns(
        pl.col("f").fill_null(pl.col("f").mean()).fill_null(0.5)
    )
    if sample is None:
        order = pl.lit(None, dtype=pl.Int64)
        frame = frame.with_columns(stratum=pl.lit(0), drawn=pl.lit(True), order=order)
    else:
        frame = frame.join(sample, on="pair_id")
    frame = frame.join(judgements, on="pair_id", how="left").sort("pair_id")
    return frame.with_columns(pl.col("reviewed").fill_null(False))


def _selection_problem(
    sampled: pl.DataFrame,
    coverage: ReviewCoverage,
    verdicts: pl.DataFrame,
    has_sample: bool,
    resume: str,
) -> str | None:
    """Return why no rate can be based on the reviewed pairs; None if one can."""
    count = f"{coverage.reviewed:,} of {coverage.size:,}"
    if not has_sample:
        if _count_unblinded(verdicts):
            return (
                "the pairs were picked in the review of a run, which shows labels and sorts by "
                "suspicion; they are no random sample. Draw one: curate route DATA --random 50"
            )
    elif coverage.reviewed < coverage.size:
        order = sampled.filter("reviewed")["order"]
        # The first n of a random order are a random sample; any other n may be a choice.
        if order.max() != coverage.reviewed - 1:
            gap = sampled.filter(~pl.col("reviewed"))["order"].min()
            return (
                f"{count} drawn pairs are reviewed, but not in the drawn order (number "
                f"{int(gap) + 1:,} was skipped); which ones are reviewed may depend on their "  # type: ignore[arg-type]
                f"labels. Review the skipped ones first: {resume}"
            )
    if coverage.votes < min(_MIN_VERDICTS, coverage.size):
        return (
            f"{count} pairs are reviewed, {coverage.votes:,} as keep, flip or tie; a rate needs "
            f"{_MIN_VERDICTS}. Continue: {resume}"
        )
    missing = sampled.group_by("stratum").agg(pl.col("wrong").count()).filter(pl.col("wrong") == 0)
    if len(missing):
        return (
            f"{count} pairs are reviewed, none of them in {len(missing):,} strata of the sample. "
            f"Continue: {resume}"
        )
    return None


def _count_unblinded(verdicts: pl.DataFrame) -> int:
    """Return verdicts that were made while the label was shown."""
    return int(verdicts["blind"].eq(False).sum()) if "blind" in verdicts.columns else 0


def _qualify_rate(rate: NoiseEstimate, coverage: ReviewCoverage, has_sample: bool) -> NoiseEstimate:
    """Return the rate with the coverage of the review before it and its assumptions after it."""
    text = rate.text
    skipped = coverage.reviewed - coverage.votes
    if skipped:
        text += f"; {skipped:,} skipped or unusable pairs are left out"
    if has_sample and coverage.reviewed < coverage.size:
        text = f"{coverage.reviewed:,} of {coverage.size:,} reviewed, in the drawn order: {text}"
    elif not has_sample and coverage.reviewed < coverage.size:
        sample = option_name("sample")
        text += f"; if the reviewed pairs were drawn at random: name the draw by {sample}"
    return replace(rate, text=text)


def _stratum_of_rows(rows: pl.DataFrame) -> Stratum:
    judged_rows = rows.filter("drawn", pl.col("wrong").is_not_null())
    mean = float(rows["f"].mean())  # type: ignore[arg-type]
    return Stratum(len(rows), judged_rows["wrong"].to_numpy(), judged_rows["f"].to_numpy(), mean)
