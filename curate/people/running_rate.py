"""The interval of the wrong labels that is shown while people judge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from curate.auditing.confidence_sequence import LEVEL, ConfidenceSequence, DrawDesign
from curate.people.drawn_tasks import DrawnPairs

_FIRST, _STEP = 10, 5
"""Judged pairs of the first interval, and between two of them."""


@dataclass(frozen=True)
class RunningRate:
    """The share of wrong labels after some verdicts.

    Attributes:
        verdict_count: verdicts that it takes into account, including skipped pairs.
        low: lower limit.
        high: upper limit.
    """

    verdict_count: int
    low: float
    high: float

    @property
    def text(self) -> str:
        """Return it as a sentence; limits are rounded outwards."""
        low, high = math.floor(100 * self.low), math.ceil(100 * self.high)
        return (
            f"{self.verdict_count:,} judged: {low} to {high} % wrong "
            f"({100 * LEVEL:.0f} %, valid whenever you stop)"
        )

    def is_within(self, width: float | None) -> bool:
        """Return whether the interval is at most `width` percentage points wide."""
        return width is not None and 100 * (self.high - self.low) <= width


class RateMonitor:
    """Computes the running rate of a sample that is reviewed in the order of its draw.

    The rate is updated with every fifth verdict only: an update after each would tell whether this
    one verdict agrees with the hidden label.

    Args:
        draw: the sample.
    """

    def __init__(self, draw: DrawnPairs) -> None:
        self._design = DrawDesign.from_sample(draw.sample)
        rows = draw.sample.with_row_index("at").filter("drawn").sort("order")
        self._places: list[int] = rows["at"].to_list()
        self._values: list[float | None] = []
        self._sequence: ConfidenceSequence | None = None

    def rate(self, values: Sequence[float | None]) -> RunningRate | None:
        """Return the rate; None after few verdicts, or for a sample drawn in strata.

        Args:
            values: verdicts on the first pairs of the sample, as `ConfidenceSequence.add` takes
                them.
        """
        is_complete = len(values) == len(self._places)
        count = len(values) - (0 if is_complete else len(values) % _STEP)
        if self._design is None or count < _FIRST:
            return None
        used = list(values[:count])
        # A changed or undone verdict changes all later intervals.
        if self._sequence is None or used[: len(self._values)] != self._values:
            self._sequence, self._values = ConfidenceSequence(self._design), []
        start = len(self._values)
        self._sequence.add_all(zip(self._places[start:count], used[start:], strict=True))
        self._values = used
        return RunningRate(count, self._sequence.low, self._sequence.high)
