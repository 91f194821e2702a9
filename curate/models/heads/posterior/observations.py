"""What is known of labels, in the numbers that their likelihood needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from curate.data.table import batch_slices

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEVELS, _REACH = 64, 4.0
"""Bins of a margin, over this many root mean squares to either side."""
_SHIFT_LEVELS = 16
_MAX_VOTES = 8
_AVERAGED = ("heads", "evidence", "votes", "count", "shift_right", "shift_wrong")
_BLOCK = 1 << 16
MAX_ROWS = 4096
"""Labels beyond which the likelihood is taken of counts in bins."""


@dataclass(frozen=True)
class Observations:
    """Labels, and what speaks for or against each; margins are oriented to the label.

    Attributes:
        heads: (labels,) held-out margin, of root mean square 1, or 0 everywhere.
        evidence: (labels,) margin of the sources together, likewise.
        votes: (labels,) votes on the same answers for the label less those against it, the label
            itself counted: 1 where nobody else voted.
        count: (labels,) votes on the same answers, the label itself counted.
        shift_right: (labels,) log odds of a flip, less those of the common rate, if the label names
            the better answer.
        shift_wrong: (labels,) the same if the other answer is the better one.
        verdicts: (labels,) 1 where a person found the label right, -1 wrong, 0 not judged.
        weight: (labels,) of each label in the likelihood.
    """

    heads: NDArray[np.float64]
    evidence: NDArray[np.float64]
    votes: NDArray[np.float64]
    count: NDArray[np.float64]
    shift_right: NDArray[np.float64]
    shift_wrong: NDArray[np.float64]
    verdicts: NDArray[np.int8]
    weight: NDArray[np.float64]

    @classmethod
    def from_margins(
        cls,
        heads: NDArray[np.float64],
        evidence: NDArray[np.float64] | None = None,
        verdicts: NDArray[np.int8] | None = None,
    ) -> Observations:
        """Labels of one vote each that are flipped at a common rate."""
        one, zero = constant(1.0, len(heads)), constant(0.0, len(heads))
        return cls(
            heads,
            zero if evidence is None else evidence,
            one,
            one,
            zero,
            zero,
            np.zeros(len(heads), dtype=np.int8) if verdicts is None else verdicts,
            one,
        )

    def __len__(self) -> int:
        return len(self.heads)

    def take(self, rows: NDArray[Any] | slice) -> Observations:
        """Some of the labels; without a copy where a mask holds them all."""
        if not isinstance(rows, slice) and rows.dtype == np.bool_ and rows.all():
            return self
        return Observations(*(column[rows] for column in self.columns()))

    def columns(self) -> tuple[NDArray[Any], ...]:
        """The fields, in order."""
        return (
            self.heads,
            self.evidence,
            self.votes,
            self.count,
            self.shift_right,
            self.shift_wrong,
            self.verdicts,
            self.weight,
        )

    def compressed(self) -> Observations:
        """At most some thousand labels of nearly the same likelihood, each of the weight of many.

        Judged labels are few and stay as they are; the others are counted in bins of like margins,
        votes and shifts, and a bin is put at the mean of its labels.
        """
        open_rows = np.flatnonzero(self.verdicts == 0)
        if len(open_rows) <= MAX_ROWS:
            return self
        judged_rows = np.flatnonzero(self.verdicts != 0)
        binned = _binned(self.take(open_rows) if len(judged_rows) else self)
        if not len(judged_rows):
            return binned
        parts = zip(binned.columns(), self.take(judged_rows).columns(), strict=True)
        return Observations(*(np.concatenate(pair) for pair in parts))


def _binned(labels: Observations) -> Observations:
    """Counts of labels in bins, and the weighted means of each bin."""
    edges = [_shift_edges(shift) for shift in (labels.shift_right, labels.shift_wrong)]
    blocks = []
    for rows in batch_slices(len(labels), _BLOCK):
        block = labels.take(rows)
        values = [block.weight * getattr(block, name) for name in _AVERAGED]
        blocks.append(_sum_by_code(_codes(block, edges), np.stack([*values, block.weight])))
    codes, sums = (np.concatenate(each, axis=-1) for each in zip(*blocks, strict=True))
    _, totals = _sum_by_code(codes, sums)
    weight = totals[-1]
    means = dict(zip(_AVERAGED, totals[:-1] / weight, strict=True))
    return Observations(**means, verdicts=np.zeros(len(weight), dtype=np.int8), weight=weight)


def _sum_by_code(
    codes: NDArray[np.int64], values: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Distinct codes, and the sums of (columns, labels) values over the labels of each."""
    distinct, position = np.unique(codes, return_inverse=True)
    sums = [np.bincount(position, weights=row, minlength=len(distinct)) for row in values]
    return distinct, np.stack(sums)


def _codes(labels: Observations, edges: list[NDArray[np.float64]]) -> NDArray[np.int64]:
    """The bin of each label."""
    top = _LEVELS - 1
    heads, evidence = (
        np.clip((values + _REACH) * (_LEVELS / (2.0 * _REACH)), 0, top).astype(np.int64)
        for values in (labels.heads, labels.evidence)
    )
    codes = heads * _LEVELS + evidence
    votes = np.clip(labels.votes, -_MAX_VOTES, _MAX_VOTES).astype(np.int64) + _MAX_VOTES
    codes = codes * (2 * _MAX_VOTES + 1) + votes
    for shift, limits in zip((labels.shift_right, labels.shift_wrong), edges, strict=True):
        codes = codes * (len(limits) + 1) + np.searchsorted(limits, shift, side="right")
    return codes


def _shift_edges(shift: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = float(shift.min()), float(shift.max())
    return np.linspace(low, high, _SHIFT_LEVELS + 1)[1:-1] if high > low else np.zeros(0)


def constant(value: float, count: int) -> NDArray[np.float64]:
    """The value, read as an array of any length without taking its room."""
    values: NDArray[np.float64] = np.broadcast_to(np.float64(value), (count,))
    return values


def unit_scale(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Margins of root mean square 1; 0 everywhere stays 0."""
    size = float(np.sqrt(np.mean(np.square(margins)))) if len(margins) else 0.0
    return margins / size if size > 0 else margins


def without_heads(labels: Observations) -> Observations:
    """The same labels as if no head had seen them."""
    return replace(labels, heads=constant(0.0, len(labels)))
