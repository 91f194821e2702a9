"""How often a source of evidence is right, as far as labels and judged pairs show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from curate.data.json_result import JsonResult
from curate.data.json_types import JsonObject
from curate.models.heads.posterior.averaging import AveragedPosterior
from curate.steps.evidence import EvidenceSource

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DRAWS = 4000
_ENDS = (0.025, 0.975)
_MAX_RATE = 0.49
_FEWEST_PAIRS = 10


@dataclass(frozen=True)
class SourceAccuracy(JsonResult):
    """Share of pairs in which a source sides with the truth, if labels are flipped at random.

    Attributes:
        name: of the source.
        pairs: labels on which it says something.
        accuracy: posterior mean; None with fewer than ten pairs.
        low: lower end of the 95 % interval.
        high: upper end.
    """

    name: str
    pairs: int
    accuracy: float | None
    low: float | None
    high: float | None

    @property
    def is_worse_than_chance(self) -> bool:
        """Whether the source is right in fewer than half of the pairs beyond doubt."""
        return self.high is not None and self.high < 0.5

    @property
    def text(self) -> str:
        """For people."""
        if self.low is None or self.high is None:
            return f"{self.name}: speaks of {self.pairs:,} pairs, too few to estimate its accuracy"
        return f"{self.name}: right in {100 * self.low:.0f} to {100 * self.high:.0f} %"

    @property
    def warning(self) -> str:
        """For people, where the source is worse than chance."""
        return (
            f"evidence {self.text} of the pairs on which it speaks: worse than chance here, so it "
            "counts against the answer that it prefers; check its sign"
        )

    def to_json(self) -> JsonObject:
        """Return the accuracy as plain data, with its sentence."""
        return super().to_json() | {"text": self.text}


def source_accuracy(
    source: EvidenceSource,
    voting: NDArray[np.bool_],
    verdicts: NDArray[np.int8],
    groups: NDArray[np.int64],
    averaged: AveragedPosterior,
) -> SourceAccuracy:
    """The accuracy of one source.

    Where it sides with a share A of labels that are flipped at rate e, it is right in a share
    (A - e) / (1 - 2 e). A varies by whole prompts, e as its posterior does; draws of both count by
    how well they explain the judged pairs.

    Args:
        source: of the run.
        voting: (pairs,) whether each pair has a label.
        verdicts: (pairs,) verdicts, 0 for none.
        groups: (pairs,) number of each pair's prompt.
        averaged: posterior of the flip rate.
    """
    side = np.sign(np.nan_to_num(source.margin)) * voting
    count = int((side != 0).sum())
    if count < _FEWEST_PAIRS:
        return SourceAccuracy(source.name, count, None, None, None)
    accuracies = _draw_accuracies(side, groups, averaged)
    agree = side * verdicts
    right, wrong = int((agree > 0).sum()), int((agree < 0).sum())
    logs = right * np.log(accuracies) + wrong * np.log1p(-accuracies)
    weights = np.exp(logs - logs.max())
    order = np.argsort(accuracies)
    cumulative = np.cumsum(weights[order]) / weights.sum()
    low, high = (float(np.interp(end, cumulative, accuracies[order])) for end in _ENDS)
    return SourceAccuracy(
        source.name, count, float(weights @ accuracies / weights.sum()), low, high
    )


def _draw_accuracies(
    side: NDArray[np.float64], groups: NDArray[np.int64], averaged: AveragedPosterior
) -> NDArray[np.float64]:
    """Return (A - e) / (1 - 2 e) of draws of the agreement A and of the flip rate e."""
    rng = np.random.default_rng(0)
    mean, error = _agreement(side, groups)
    rates = np.minimum(
        np.interp(rng.random(_DRAWS), np.cumsum(averaged.rate_mass), averaged.rates),
        _MAX_RATE,
    )
    return np.clip((rng.normal(mean, error, _DRAWS) - rates) / (1.0 - 2.0 * rates), 0.001, 0.999)


def _agreement(side: NDArray[np.float64], groups: NDArray[np.int64]) -> tuple[float, float]:
    """Share of labels that a source sides with, and its standard error over prompts."""
    agree, counts = (np.bincount(groups, weights=w) for w in (side > 0, side != 0))
    total = float(counts.sum())
    mean = float(agree.sum()) / total
    error = float(np.sqrt(np.square(agree - mean * counts).sum())) / total
    # A source that sides with all labels has no spread; half a label is the least doubt.
    return mean, max(error, 0.5 / total)
