"""Data of the report's charts, counted or sampled so that it stays small for many pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.hashes import select_in_batches
from curate.data.json_result import JsonResult
from curate.data.json_types import JsonObject
from curate.data.table import batch_slices, messages_text
from curate.report.run_view import RunView, as_read, sample_view_rows
from curate.write.exports.base import WEIGHT

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_BINS = 40
MAX_POINTS = 1000
"""Pairs of the sample for the explorer and the scatter plots: more points hide each other, and
their texts make the file large."""
_MAX_TEXT_CHARACTERS = 500
"""Characters of a text of a pair of the sample."""
# Digits of single precision: more would add file size without meaning.
_DIGITS = 7
_MAX_LOG_RATIO = 4.0
"""Log2 of a ratio of lengths beyond which pairs are counted in the outermost bins."""
_ROUNDING = 1e-9
"""Share of a bin by which an end may miss a round number."""
_MAX_CATEGORIES, _NOT_CATEGORIES = 8, (".status", ".names")
# Values from which the edges of a histogram are taken.
_SAMPLE_VALUES = 100_000
# Values that are counted at a time: whole columns would be copied into memory.
_BATCH_VALUES = 65_536
_TAIL_SHARE = 0.005
"""Share of values at each end that a histogram gathers in its outermost bins."""


@dataclass(frozen=True)
class ScoreHistogram(JsonResult):
    """How many kept and dropped pairs have which values of a score.

    Attributes:
        edges: (bins + 1,) edges of the bins, of equal width.
        kept_counts: (bins,) kept pairs in each bin.
        dropped_counts: (bins,) the others.
        missing: pairs without a value.
        beyond: values beyond the outermost edges, which are counted in the outermost bins.
    """

    edges: list[float]
    kept_counts: list[int]
    dropped_counts: list[int]
    missing: int
    beyond: int


def score_histograms(view: RunView) -> dict[str, JsonObject]:
    """Return the histogram of each score, as plain data; none of a score without any value."""
    histograms = ((n, score_histogram(view.frame[n], view.kept_mask)) for n in view.numeric)
    return {name: bars.to_json() for name, bars in histograms if bars is not None}


def score_histogram(values: pl.Series, kept_mask: NDArray[np.bool_]) -> ScoreHistogram | None:
    """Return the histogram of a score between its 0.5 and 99.5 % quantiles; None without values.

    Args:
        values: (pairs,) numbers or truth values, null where missing.
        kept_mask: (pairs,) whether each pair was kept.
    """
    low, high = _bin_ends(values)
    if low is None or high is None:
        return None
    edges = bin_edges(low, high, is_whole=not values.dtype.is_float())
    counts, beyond = _count_in_bins(values, kept_mask, edges)
    return ScoreHistogram(
        edges=[float(f"{edge:.{_DIGITS}g}") for edge in edges],
        kept_counts=counts[1].tolist(),
        dropped_counts=counts[0].tolist(),
        missing=len(values) - int(counts.sum()),
        beyond=beyond,
    )


def bin_edges(low: float, high: float, is_whole: bool) -> NDArray[np.float64]:
    """Return edges of at most 40 even bins that cover a range, at round numbers.

    Args:
        low: lower end.
        high: upper end, not below it.
        is_whole: whether the values are whole numbers: each bin then holds as many of them.

    Examples:
        >>> bin_edges(0.003, 0.998, is_whole=False)[[0, 1, -1]].tolist()
        [0.0, 0.05, 1.0]
        >>> bin_edges(1, 3, is_whole=True).tolist()
        [0.5, 1.5, 2.5, 3.5]
    """
    span = high - low or (1.0 if is_whole else abs(high) or 1.0)
    width = _round_up(span / MAX_BINS)
    if is_whole:
        width = max(np.ceil(width), 1.0)
        low, high = low - 0.5, high + 0.5
        count = max(int(np.ceil((high - low) / width)), 1)
        return np.asarray(low + width * np.arange(count + 1))
    first, last = np.floor(low / width + _ROUNDING), np.ceil(high / width - _ROUNDING)
    # By whole numbers: sums of widths would drift away from the round numbers.
    return np.asarray(np.arange(first, max(last, first + 1) + 1) * width)


def _round_up(width: float) -> float:
    """Return the next larger number of the form 1, 2 or 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(width))
    return float(next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= width * (1 - 1e-9)))


def _bin_ends(values: pl.Series) -> tuple[float | None, float | None]:
    """Return where the bins begin and end: at quantiles of the values, or of a regular sample.

    None where nothing is known.
    """
    sample = values.gather_every(max(len(values) // _SAMPLE_VALUES, 1)).cast(pl.Float64).to_numpy()
    sample = sample[np.isfinite(sample)]
    low, high = np.quantile(sample, [_TAIL_SHARE, 1.0 - _TAIL_SHARE]) if len(sample) else (0.0, 0.0)
    if low < high:
        return float(low), float(high)
    # Nearly all values are one, or none is known: the tails are then what there is to see.
    finite = values.cast(pl.Float64).to_numpy()
    finite = finite[np.isfinite(finite)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (None, None)


def _count_in_bins(
    values: pl.Series, kept_mask: NDArray[np.bool_], edges: NDArray[np.float64]
) -> tuple[NDArray[np.int64], int]:
    """Return the counts of dropped and kept values in bins of equal width, (2, bins).

    Values beyond the ends are counted in the outermost bins, missing values in none; the second
    result is their number.
    """
    bins = len(edges) - 1
    width = (edges[-1] - edges[0]) / bins
    counts, beyond = np.zeros(2 * bins, dtype=np.int64), 0
    for rows in batch_slices(len(values), _BATCH_VALUES):
        batch = values[rows].cast(pl.Float64).to_numpy()
        is_finite = np.isfinite(batch)
        beyond += int(((batch < edges[0]) | (batch > edges[-1]))[is_finite].sum())
        bin_index = np.clip((batch[is_finite] - edges[0]) / width, 0, bins - 1).astype(np.int64)
        # One pass for both kinds: the kept ones are counted behind the dropped ones.
        counts += np.bincount(bin_index + bins * kept_mask[rows][is_finite], minlength=2 * bins)
    return counts.reshape(2, bins), beyond


def scatter_points(view: RunView) -> JsonObject:
    """Return scores, fate, origin and the beginning of the texts of pairs drawn at random."""
    rows = as_read(sample_view_rows(view.frame, MAX_POINTS))
    texts = rows.select(
        p=_text_start("prompt"),
        c=_text_start("chosen"),
        r=_text_start("rejected"),
        why=pl.concat_str(pl.col("drop_step"), pl.col("drop_reason"), separator=": "),
    )
    scores = {
        name: [_round_for_plot(v) for v in rows[name].cast(pl.Float64).to_list()]
        for name in view.numeric
    }
    return {
        "total": len(view.frame),
        "id": rows["pair_id"].to_list(),
        "kept": rows["kept"].to_list(),
        "flipped": rows["flipped"].to_list(),
        "step": rows["drop_step"].to_list(),
        "source": rows["source"].to_list(),
        "prompt": texts["p"].to_list(),
        "chosen": texts["c"].to_list(),
        "rejected": texts["r"].to_list(),
        "why": texts["why"].to_list(),
        "scores": scores,
    }


def length_bias_histograms(view: RunView) -> JsonObject:
    """Return how much longer the chosen answers are than the rejected ones, before and after
    filters.

    Histograms of log2(characters of chosen / characters of rejected), each a share of its pairs:
    of all pairs with the labels that were read, and of the kept ones with their new labels and
    weights.
    """
    # A logarithm, so that twice as long and half as long are equally far from 0.
    c, r = (messages_text(side).str.len_chars() + 1 for side in ("chosen", "rejected"))
    ratio = select_in_batches(view.frame, ratio=(c / r).log(2).cast(pl.Float32))["ratio"].to_numpy()
    is_vote = ~view.frame["is_tie"].to_numpy()
    ratio_as_read = np.where(view.frame["flipped"].to_numpy(), -ratio, ratio)
    weights = view.frame[WEIGHT] if WEIGHT in view.frame.columns else None
    kept_weights = np.ones(len(ratio)) if weights is None else weights.fill_null(0.0).to_numpy()
    edges = np.linspace(-_MAX_LOG_RATIO, _MAX_LOG_RATIO, MAX_BINS + 1)
    histograms: JsonObject = {"edges": [_round_for_plot(e) for e in edges]}
    for name, values, weight in (
        ("before", ratio_as_read, is_vote * 1.0),
        ("after", ratio, is_vote * view.kept_mask * kept_weights),
    ):
        clipped = np.clip(values, -_MAX_LOG_RATIO, _MAX_LOG_RATIO)
        counts = np.histogram(clipped, edges, weights=weight)[0]
        histograms[name] = (counts / max(float(weight.sum()), 1e-12)).round(5).tolist()
    return histograms


def group_rows(view: RunView, column: str, max_groups: int = 30) -> list[JsonObject]:
    """Return pairs, share kept and mean suspicion of each annotator or source, largest first."""
    if view.frame[column].n_unique() < 2:
        return []
    suspicion_column = view.suspicion[0] if view.suspicion else None
    mean = (
        pl.col(suspicion_column).cast(pl.Float64).mean()
        if suspicion_column
        else pl.lit(None, dtype=pl.Float64)
    )
    read = dict.fromkeys(
        (column, "kept", "is_tie", *([suspicion_column] if suspicion_column else []))
    )
    table = (
        view.frame[[*read]]
        .group_by(pl.col(column).fill_null("(none)").alias("name"))
        .agg(
            pairs=pl.len(),
            kept=pl.col("kept").mean(),
            ties=pl.col("is_tie").mean(),
            doubt=mean,
        )
        .sort("pairs", "name", descending=[True, False])
    )
    return table.head(max_groups).to_dicts()


def category_shares(view: RunView) -> dict[str, list[JsonObject]]:
    """Return pairs, share and share kept of each category, for scores with 2 to 8 categories."""
    tables = {}
    for name, dtype in view.frame.schema.items():
        if dtype != pl.String or "." not in name or name.endswith(_NOT_CATEGORIES):
            continue
        categorised = view.frame[[name, "kept"]].rename({name: "kind"}).drop_nulls("kind")
        if not 1 < categorised["kind"].n_unique() <= _MAX_CATEGORIES:
            continue
        table = categorised.group_by("kind").agg(
            pairs=pl.len(), share=pl.len() / len(categorised), kept=pl.col("kept").mean()
        )
        tables[name] = table.sort("pairs", "kind", descending=[True, False]).to_dicts()
    return tables


def _text_start(side: str) -> pl.Expr:
    text = messages_text(side)
    cut = text.str.len_chars() > _MAX_TEXT_CHARACTERS
    return pl.when(cut).then(text.str.slice(0, _MAX_TEXT_CHARACTERS) + pl.lit("…")).otherwise(text)


def _round_for_plot(value: float | None) -> float | None:
    """Return a number with the digits that a plot can show, None for a missing one."""
    if value is None or not np.isfinite(value):
        return None
    return float(f"{value:.{_DIGITS}g}")
