"""How a score-based filter changes the chosen answers: length, refusals, lists and sources."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from curate.data.hashes import numbers_by_appearance, prompt_keys, select_in_batches
from curate.data.row_selection import RowSelection
from curate.data.table import messages_text
from curate.models.text import traits
from curate.steps.findings import (
    TRAITS,
    CleanShare,
    LostRightLabels,
    SelectionBias,
    SourceShift,
    TraitShift,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_PAIRS = 20
"""Pairs below which no share is given."""
# A share then has a standard error of .0035 at most.
_SAMPLE_PAIRS = 20_000
# Sources in the manifest; a mixture of hundreds would fill it.
_MAX_SOURCES = 10
# Weight below which a pair counts as acted upon.
_MIN_WEIGHT = 0.5
_NORMAL = 1.96
"""Standard errors to either end of a 95 % interval."""
_PATTERNS = {"refuses": traits.TRAITS["refusal"], "lists": traits.TRAITS["list items"]}


@dataclass(frozen=True)
class TrainingColumns:
    """Names of the columns with a filter's training weights and label probabilities; None for
    none.
    """

    weight: str | None = None
    label_probability: str | None = None

    @property
    def names(self) -> list[str]:
        """Return those that there are."""
        return [name for name in (self.weight, self.label_probability) if name is not None]

    def values(self, rows: pl.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the weight and label probability of each row, 1 where there is none."""
        columns = (self.weight, self.label_probability)
        ones = np.ones(len(rows))
        weight, right = (ones if c is None else rows[c].fill_null(1.0).to_numpy() for c in columns)
        return weight, right


def selection_bias(
    before: RowSelection,
    after: RowSelection,
    training: TrainingColumns | None = None,
    posterior: str | None = None,
    flip_rate: tuple[float, float] | None = None,
) -> SelectionBias:
    """Compare evenly spaced pairs before and after a filter.

    Args:
        before: pairs that the filter was given.
        after: the pairs that it kept, with labels as it left them.
        training: columns of `after` with weights and label probabilities, where it gives some.
        posterior: column of `before.table`: P(the label as it was read is right).
        flip_rate: interval of the share of labels that are flipped at random; None: unknown.
    """
    training = training or TrainingColumns()
    sample, kept_sample = _sample_before_and_after(before, after)
    columns = ["chosen", "rejected", "source"]
    rows_before = sample.select(columns)
    rows_after = kept_sample.select([*columns, *training.names])
    signs_before, signs_after = _trait_signs(rows_before), _trait_signs(rows_after)
    weight, label_right = training.values(rows_after)
    right = None if posterior is None else _right_labels(sample, posterior, signs_before)
    # A soft label below one half counts as flipped.
    acting_weight = np.where(label_right < _MIN_WEIGHT, 0.0, weight)
    sizes = signs_before["size"], signs_after["size"]
    affected = _affected_mask(sample, kept_sample, *sizes, acting_weight)
    size = sizes[0].to_numpy()
    return SelectionBias(
        _trait_shifts(sample, signs_before, signs_after, weight, label_right, right, flip_rate),
        _source_shifts(rows_before["source"], rows_after["source"], weight),
        int(affected.sum()),
        len(affected),
        _length_auroc(affected, size),
        posterior,
        None if right is None else _lost_right_labels(affected, size, right),
    )


def _trait_shifts(
    sample: RowSelection,
    signs_before: pl.DataFrame,
    signs_after: pl.DataFrame,
    weight: NDArray[np.float64],
    label_right: NDArray[np.float64],
    right: NDArray[np.float64] | None,
    flip_rate: tuple[float, float] | None,
) -> tuple[TraitShift, ...]:
    groups = None if right is None else _prompt_numbers(sample)
    shifts = []
    for trait in TRAITS:
        signs_read, signs_kept = signs_before[trait].to_numpy(), signs_after[trait].to_numpy()
        expected = None
        if right is not None and groups is not None:
            expected = clean_share(signs_read, right, groups, MIN_PAIRS, flip_rate)
        shares = _trait_share(signs_read), _trait_share(signs_kept, weight, label_right)
        shifts.append(TraitShift(trait, *shares, expected))
    return tuple(shifts)


def _sample_before_and_after(
    before: RowSelection, after: RowSelection
) -> tuple[RowSelection, RowSelection]:
    """Return evenly spaced input pairs of a filter, and those of them that it kept."""
    spaced = np.zeros(len(before), dtype=np.bool_)
    # Evenly spaced: no seed is needed, and every source of a joined file is represented.
    spaced[:: max(len(before) // _SAMPLE_PAIRS, 1)] = True
    sample = before.where(spaced)
    # By a mask: to look millions of rows up would sort all of them.
    in_sample = np.zeros(len(before.table), dtype=np.bool_)
    in_sample[sample.rows] = True
    return sample, after.where(in_sample[after.rows])


def _trait_signs(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return +1 where the chosen answer has more of a trait, -1 where the rejected one has; and
    sizes.
    """
    texts = {side: messages_text(side) for side in ("chosen", "rejected")}
    size = texts["chosen"].str.len_chars().cast(pl.Int64) - texts["rejected"].str.len_chars()
    has = {
        name: texts["chosen"].str.contains(pattern).cast(pl.Int8)
        - texts["rejected"].str.contains(pattern).cast(pl.Int8)
        for name, pattern in _PATTERNS.items()
    }
    return select_in_batches(pairs, size=size, longer=size.sign(), **has)


def _right_labels(
    sample: RowSelection, posterior: str, signs_before: pl.DataFrame
) -> NDArray[np.float64]:
    """Return P(the label that reached the filter is right), (sample,); NaN where it is unknown."""
    column = sample.select([posterior])[posterior]
    right = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    if "chosen" not in sample.extra_columns.columns:
        return right
    # An earlier filter changed labels, and the posterior is that of the label as it was read.
    original = RowSelection(sample.table, sample.rows, pl.DataFrame()).select(
        ["chosen", "rejected"]
    )
    flipped = (_trait_signs(original)["size"] != signs_before["size"]).to_numpy()
    return np.where(flipped, 1.0 - right, right)


def _prompt_numbers(sample: RowSelection) -> NDArray[np.int64]:
    keys = pl.concat([prompt_keys(batch) for batch in sample.iter_batches()])
    return numbers_by_appearance(keys)[0]


def _trait_share(
    signs: NDArray[np.integer[Any]],
    weight: NDArray[np.float64] | None = None,
    soft: NDArray[np.float64] | None = None,
) -> float | None:
    """Return the share of +1 among the signs that are not 0, by weight; a soft label counts on both
    sides.
    """
    differs = signs != 0
    if int(differs.sum()) < MIN_PAIRS:
        return None
    weight = np.ones(len(signs)) if weight is None else weight
    soft = np.ones(len(signs)) if soft is None else soft
    total = float(weight[differs].sum())
    positive = weight * np.where(signs > 0, soft, 1.0 - soft)
    return round(float(positive[differs].sum()) / total, 4) if total > 0 else None


def _source_shifts(
    sources_before: pl.Series, sources_after: pl.Series, weight: NDArray[np.float64]
) -> tuple[SourceShift, ...]:
    """Return the share of each source before and after, the largest first; none of a single one."""
    counts = sources_before.value_counts(name="n", sort=True).head(_MAX_SOURCES)
    if len(counts) < 2:
        return ()
    total = float(weight.sum()) or 1.0
    shifts = []
    for source, count in counts.iter_rows():
        rows = (sources_after == source).fill_null(False).to_numpy()
        shares = count / len(sources_before), float(weight[rows].sum()) / total
        shifts.append(SourceShift(str(source), *(round(share, 4) for share in shares)))
    return tuple(shifts)


def _affected_mask(
    sample: RowSelection,
    kept_sample: RowSelection,
    size_before: pl.Series,
    size_after: pl.Series,
    weight: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Return whether each pair was dropped or flipped, or lost more than half of its weight."""
    after = pl.DataFrame({"row": kept_sample.rows, "after": size_after, "weight": weight})
    compared = pl.DataFrame({"row": sample.rows, "before": size_before}).join(
        after, on="row", how="left", maintain_order="left"
    )
    flipped = compared["after"] != compared["before"]
    mask: NDArray[np.bool_] = (
        (compared["after"].is_null() | flipped | (compared["weight"] < _MIN_WEIGHT))
        .fill_null(True)
        .to_numpy()
    )
    return mask


def _length_auroc(affected: NDArray[np.bool_], size: NDArray[np.int64]) -> float | None:
    """Return the AUROC with which the length difference predicts where the filter acts."""
    # The AUROC of a few pairs on one side is mostly chance.
    if min(int(affected.sum()), int((~affected).sum())) < MIN_PAIRS:
        return None
    from sklearn.metrics import roc_auc_score  # half a second, which most runs need not wait

    return round(float(roc_auc_score(affected, size)), 4)


def _lost_right_labels(
    affected: NDArray[np.bool_], size: NDArray[np.int64], right: NDArray[np.float64]
) -> LostRightLabels | None:
    """Return the shares of right labels that are acted upon, each pair counted by its P(right)."""
    shares = []
    for side in (size < 0, size > 0):
        rows = side & np.isfinite(right)
        total = float(right[rows].sum())
        if int(rows.sum()) < MIN_PAIRS or total <= 0:
            return None
        shares.append(round(float(right[rows & affected].sum()) / total, 4))
    return LostRightLabels(*shares)


def clean_share(
    signs: NDArray[np.integer[Any]],
    right: NDArray[np.float64],
    groups: NDArray[np.int64],
    fewest: int = 1,
    flip_rate: tuple[float, float] | None = None,
) -> CleanShare | None:
    """Return the expected share of pairs whose right answer has the trait, among those that differ.

    The right answer has it with q = p where the chosen one has it, 1 - p where the rejected one
    has it; p is the posterior of the label. The variance is that of a mean over prompts, which
    are a sample of all prompts, plus q (1 - q) of each pair:
    sum_g r_g^2 G / ((G - 1) n^2) + sum q (1 - q) / n^2 with r_g = sum_{i in g} (q_i - mean).
    The posterior of single pairs hides that the flip rate e is uncertain for all of them at once:
    with random flips the labels' own share is s = c (1 - e) + (1 - c) e, so that the interval also
    reaches to c = (s - e) / (1 - 2e) at both ends of e. It holds as far as the posterior is right.

    Args:
        signs: (pairs,) above 0 where the chosen answer has the trait, below 0 where the rejected
            one has it, 0 where both are alike.
        right: (pairs,) P(the label is right), NaN where it is unknown.
        groups: (pairs,) number of each pair's prompt, not negative.
        fewest: pairs that are needed.
        flip_rate: interval of the flip rate, below 1/2; None: none is known.

    Returns:
        The share; None of fewer pairs.
    """
    has_posterior = (signs != 0) & np.isfinite(right)
    count = int(has_posterior.sum())
    if count < fewest:
        return None
    q = np.where(signs > 0, right, 1.0 - right)[has_posterior]
    mean = float(q.mean())
    width = _NORMAL * _standard_error(q, groups[has_posterior])
    labels_share = float((signs[has_posterior] > 0).mean())
    ends = [mean - width, mean + width, *_shares_without_flips(labels_share, flip_rate)]
    low, high = max(min(ends), 0.0), min(max(ends), 1.0)
    return CleanShare(round(mean, 4), round(low, 4), round(high, 4))


def _shares_without_flips(
    labels_share: float, flip_rate: tuple[float, float] | None
) -> list[float]:
    """Return the share of clean labels at both ends of the flip rate; none where it is unknown."""
    # With random flips at rate e and the labels' share s, clean labels have (s - e) / (1 - 2e).
    return [(labels_share - e) / (1.0 - 2.0 * e) for e in flip_rate or () if e < 0.5]


def _standard_error(q: NDArray[np.float64], groups: NDArray[np.int64]) -> float:
    """Return the standard error of the mean of q over prompts, plus the variance of each label."""
    residuals = np.bincount(groups, weights=q - q.mean())
    prompts = len(np.unique(groups))
    # sum_g r_g^2 G / (G - 1): pairs of one prompt vary together, so prompts are the clusters.
    between = float(residuals @ residuals) * prompts / max(prompts - 1, 1)
    # q (1 - q): each right answer is still unknown, however well q is known.
    return math.sqrt(between + float((q * (1.0 - q)).sum())) / len(q)
