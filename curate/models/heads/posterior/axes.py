"""The grid over what is not known: the flip rate, and what heads and evidence are worth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logsumexp

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NODES = 13
_MIN_MASS = 1e-6
"""Nodes of less posterior mass do not count when an axis is refined."""
_RATES = (0.002, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.44, 0.47, 0.49)
_SPREADS = 2.75
"""How far the first axis of a scale reaches, in standard deviations of its prior."""


@dataclass(frozen=True)
class ScalePrior:
    """Belief in how many nats a margin of root mean square 1 is worth.

    Attributes:
        center: mean of log |scale|.
        spread: standard deviation of log |scale|.
        zero: probability that the margin says nothing.
        negative: probability that a margin which says something says the opposite.
    """

    center: float
    spread: float
    zero: float
    negative: float = 0.0


HEADS = ScalePrior(-0.3, 1.0, 0.004)
DIFFUSE = ScalePrior(0.0, 0.8, 0.4, 0.4)
"""Of a source that may be worthless or wrong here. On LLMBar with 40 % flips it loses .006 of AUROC
with a judge that is right in 35 %; with zero and negative of .3 it would lose .01."""
STRONG = ScalePrior(0.45, 0.6, 0.004, 0.1)


@dataclass(frozen=True)
class ScaleAxis:
    """Nodes of a scale: 0, and both signs of a range of log |scale|.

    Attributes:
        prior: belief in the scale.
        low: lower end of the range of log |scale|.
        high: upper end.
        signs: of the scale, without 0.
        zero: whether 0 is a node.
    """

    prior: ScalePrior
    low: float
    high: float
    signs: tuple[int, ...]
    zero: bool = True

    @classmethod
    def from_prior(cls, prior: ScalePrior | None) -> ScaleAxis:
        """The axis before any label was read; None: the margin is 0 everywhere."""
        if prior is None:
            return cls(HEADS, 0.0, 0.0, ())
        reach = _SPREADS * prior.spread
        signs = (1, -1) if prior.negative else (1,)
        return cls(prior, prior.center - reach, prior.center + reach, signs)

    @property
    def _logs(self) -> NDArray[np.float64]:
        return np.linspace(self.low, self.high, _NODES)

    @property
    def values(self) -> NDArray[np.float64]:
        """(nodes,) of the scale, 0 first."""
        sizes = np.exp(self._logs)
        return np.concatenate([np.zeros(int(self.zero)), *(sign * sizes for sign in self.signs)])

    @property
    def log_weights(self) -> NDArray[np.float64]:
        """(nodes,) log prior mass of the nodes."""
        prior, step = self.prior, (self.high - self.low) / (_NODES - 1)
        zero = np.full(int(self.zero), np.log(prior.zero) if self.signs else 0.0)
        if not self.signs:
            return zero
        density = -0.5 * ((self._logs - prior.center) / prior.spread) ** 2
        density += np.log(step / (prior.spread * np.sqrt(2.0 * np.pi)) * (1.0 - prior.zero))
        shares = {1: 1.0 - prior.negative, -1: prior.negative}
        return np.concatenate([zero, *(density + np.log(shares[sign]) for sign in self.signs)])

    def refined(self, mass: NDArray[np.float64]) -> ScaleAxis:
        """The axis on the range that holds the posterior mass of its nodes."""
        zero = self.zero and bool(mass[0] > _MIN_MASS)
        by_sign = mass[int(self.zero) :].reshape(len(self.signs), -1)
        signs = tuple(
            sign
            for sign, total in zip(self.signs, by_sign.sum(axis=1), strict=True)
            if total > _MIN_MASS
        )
        if not signs:
            return self
        low, high = _range_of_mass(self._logs, by_sign.sum(axis=0))
        return replace(self, low=low, high=high, signs=signs, zero=zero)


@dataclass(frozen=True)
class RateAxis:
    """Nodes of the flip rate e below one half, with 2e ~ Beta(1, shape)."""

    shape: float
    values: NDArray[np.float64]

    @classmethod
    def from_shape(cls, shape: float) -> RateAxis:
        """The axis before any label was read."""
        return cls(shape, np.array(_RATES))

    @property
    def log_weights(self) -> NDArray[np.float64]:
        """(nodes,) log prior mass of the nodes, up to a constant."""
        density = (self.shape - 1.0) * np.log(1.0 - 2.0 * self.values)
        return np.log(np.gradient(self.values)) + density

    def refined(self, mass: NDArray[np.float64]) -> RateAxis:
        """The axis on the range that holds the posterior mass of its nodes."""
        low, high = _range_of_mass(self.values, mass)
        return replace(self, values=np.linspace(low, high, _NODES))


def _range_of_mass(nodes: NDArray[np.float64], mass: NDArray[np.float64]) -> tuple[float, float]:
    """From the node before the first one that counts to the node after the last one."""
    counts = np.flatnonzero(mass > _MIN_MASS)
    first, last = max(counts[0] - 1, 0), min(counts[-1] + 1, len(nodes) - 1)
    return float(nodes[first]), float(nodes[last])


def is_coarse(mass: NDArray[np.float64]) -> bool:
    """Whether so few nodes hold the mass that an average over them is none."""
    positive = mass[mass > 0]
    return float(np.exp(-positive @ np.log(positive))) < 0.3 * _NODES


def normalised(log_mass: NDArray[np.float64]) -> NDArray[np.float64]:
    """Masses that sum to 1."""
    mass: NDArray[np.float64] = np.exp(log_mass - logsumexp(log_mass))
    return mass
