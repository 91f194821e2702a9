"""Margins of several sources as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from curate.models.heads.posterior.axes import DIFFUSE, STRONG, ScalePrior
from curate.models.heads.posterior.observations import constant
from curate.steps.evidence import EvidenceSource

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_MEDIANS = 8.0
"""A margin counts up to so many medians of its source: one outlier would hide all others."""
_PRIOR_WEIGHT = {"unknown": 0.3, "strong": 0.5}
_PRIOR_SPREAD = 0.3
"""Belief in the coefficient of a source of root mean square 1 in the regression of the truth."""
_DEFAULT_RATE, _FEWEST_JUDGED = 0.2, 10


@dataclass(frozen=True)
class CombinedEvidence:
    """The margin of all sources together.

    Attributes:
        margin: (pairs,) of root mean square 1 over the labels; 0 where no source says anything.
        components: (pairs,) of each source; their sum is the margin.
        prior: belief in what the margin is worth.
    """

    margin: NDArray[np.float64]
    components: tuple[NDArray[np.float64], ...]
    prior: ScalePrior


def scaled_margin(margin: NDArray[np.float64], voting: NDArray[np.bool_]) -> NDArray[np.float64]:
    """A source's margin of root mean square 1 over the voting pairs; 0: it says nothing."""
    clean = np.where(np.isnan(margin) | ~voting, 0.0, margin)
    sizes = np.abs(clean[clean != 0])
    if not len(sizes):
        return np.zeros(len(margin))
    limit = _MAX_MEDIANS * float(np.median(sizes))
    clipped = np.clip(clean, -limit, limit)
    return clipped / float(np.sqrt(np.mean(np.square(clipped[voting]))))


def combine_sources(
    sources: tuple[EvidenceSource, ...],
    voting: NDArray[np.bool_],
    verdicts: NDArray[np.int8],
    weights: NDArray[np.float64],
) -> CombinedEvidence:
    """One margin of all sources, weighed by the regression of labels on them.

    With the sources' margins t, truth s and labels y that are flipped at a common rate e, E[y t] is
    (1 - 2 e) E[s t], and E[t t'] does not depend on flips. So E[t t']^-1 E[y t] has the direction
    of Fisher's discriminant of the truth, in which sources that err together count as one; how long
    it is, the average over scales decides.

    Args:
        sources: of the run.
        voting: (pairs,) whether each pair has a label.
        verdicts: (pairs,) verdicts, 0 for none.
        weights: (pairs,) of each label.
    """
    prior = STRONG if any(source.trust == "strong" for source in sources) else DIFFUSE
    scaled = [scaled_margin(source.margin, voting) for source in sources]
    if not scaled:
        return CombinedEvidence(constant(0.0, len(voting)), (), prior)
    coefficients = np.ones(1)
    if len(scaled) > 1:
        table = np.stack([margin[voting] for margin in scaled], axis=1)
        expected = np.array([_PRIOR_WEIGHT[source.trust] for source in sources])
        coefficients = _regress(table, expected, verdicts[voting], weights[voting])
    total: NDArray[np.float64] = np.sum(
        [c * margin for c, margin in zip(coefficients, scaled, strict=True)], axis=0
    )
    size = float(np.sqrt(np.mean(np.square(total[voting])))) or 1.0
    components = tuple(c / size * m for c, m in zip(coefficients, scaled, strict=True))
    return CombinedEvidence(total / size, components, prior)


def _regress(
    table: NDArray[np.float64],
    expected: NDArray[np.float64],
    verdicts: NDArray[np.int8],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Ridge coefficients of the truth on (labels, sources) margins, shrunk to what is expected."""
    rate, wrong, count = _DEFAULT_RATE, int((verdicts < 0).sum()), int((verdicts != 0).sum())
    if count >= _FEWEST_JUDGED:
        rate = min((wrong + 1.0) / (count + 2.0), 0.45)
    # A label is (1 - 2 e) s on average: as an estimate of s it is worth its square as much.
    attenuation = 1.0 - 2.0 * rate
    precision = np.where(verdicts != 0, 1.0, attenuation**2) * weights
    target = np.where(verdicts != 0, verdicts, 1.0 / attenuation)
    gram = table.T @ (table * precision[:, None]) + np.eye(len(expected)) / _PRIOR_SPREAD**2
    cross = table.T @ (precision * target) + expected / _PRIOR_SPREAD**2
    return np.asarray(np.linalg.solve(gram, cross))
