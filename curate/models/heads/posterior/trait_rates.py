"""Flip rates by trait, from judged pairs: some annotators err on one kind of pair alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, log_expit

from curate.models.heads.posterior.axes import normalised
from curate.models.heads.posterior.traits import Traits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.data.json_types import JsonObject

_SPREADS = {0.0: 0.9, 1.0: 0.05, 3.0: 0.05}
"""Standard deviations of a kind's coefficients and their probabilities; 0: it does not matter. Ten
wrong labels among fifty judged lie on one side of a trait by chance once in some hundred draws."""
_BASE, _BASE_SPREAD = -1.5, 1.5
"""Belief in the log odds of a flip where no trait matters."""
_NEWTON_STEPS = 30
_TOLERANCE = 1e-8
_MIN_EFFECT = 0.02
"""Difference of two rates below which a trait is not reported."""


@dataclass(frozen=True)
class TraitEffect:
    """How the share of wrong labels depends on one trait.

    Attributes:
        name: of the trait.
        with_trait: expected share of wrong labels where the trait is there.
        without: the same elsewhere.
    """

    name: str
    with_trait: float
    without: float

    @property
    def size(self) -> float:
        """Difference of both shares."""
        return abs(self.with_trait - self.without)

    @property
    def text(self) -> str:
        """For people."""
        return (
            f"{self.name}: about {self.with_trait:.0%} of these labels are wrong, "
            f"{self.without:.0%} of the others"
        )

    def to_json(self) -> JsonObject:
        """As plain data."""
        return asdict(self) | {"text": self.text}


@dataclass(frozen=True)
class TraitRates:
    """How the log odds of a flip differ between pairs.

    Attributes:
        if_right: (pairs,) log odds of a flip if the label names the better answer, less their mean
            over judged pairs.
        if_wrong: (pairs,) the same if the other answer is the better one.
        effects: of the traits that matter, the strongest first.
    """

    if_right: NDArray[np.float64]
    if_wrong: NDArray[np.float64]
    effects: tuple[TraitEffect, ...]


def trait_rates(
    traits: Traits, verdicts: NDArray[np.int8], voting: NDArray[np.bool_], by_truth: bool = True
) -> TraitRates:
    """Logistic regression of wrong labels on traits, among judged pairs.

    Coefficients of a kind of trait have a Gaussian prior around 0. The log odds are averaged over
    the priors' spreads by their evidence (Laplace's approximation): where no kind of trait explains
    the verdicts, the rate is nearly the same for all.

    Args:
        traits: of the pairs.
        verdicts: (pairs,) 1 right, -1 wrong, 0 not judged.
        voting: (pairs,) whether each pair has a label.
        by_truth: whether a flip depends on traits of the right answer, which is how annotators err;
            else on traits of the chosen one. Those say how likely a label is wrong where nothing
            else is known of the truth: where the longer answer is mostly better, random flips leave
            wrong labels short.
    """
    rows = verdicts != 0
    wrong = verdicts[rows] < 0
    signs = traits.signs if by_truth else np.ones(len(traits.names))
    chosen = traits.values.astype(np.float64)
    design = chosen[rows] * np.where(wrong[:, None], signs, 1.0)
    coefficients = _averaged_coefficients(design, wrong, traits.kinds)
    center = float((design @ coefficients[1:]).mean())
    if_right, if_wrong = chosen @ coefficients[1:], (chosen * signs) @ coefficients[1:]
    values = np.concatenate([chosen[voting], chosen[voting] * signs])
    log_odds = coefficients[0] + np.concatenate([if_right[voting], if_wrong[voting]])
    effects = (_effect(name, values[:, k], log_odds) for k, name in enumerate(traits.names))
    strong_effects = [
        effect for effect in effects if effect is not None and effect.size > _MIN_EFFECT
    ]
    strong_effects.sort(key=lambda effect: -effect.size)
    return TraitRates(if_right - center, if_wrong - center, tuple(strong_effects))


def _averaged_coefficients(
    design: NDArray[np.float64], wrong: NDArray[np.bool_], kinds: tuple[str, ...]
) -> NDArray[np.float64]:
    """Coefficients, the base first, averaged over the spreads of each kind."""
    distinct = list(dict.fromkeys(kinds))
    fits, log_weights = [], []
    for combination in product(_SPREADS, repeat=len(distinct)):
        spreads = dict(zip(distinct, combination, strict=True))
        fits.append(_fit(design, wrong, _column_spreads(kinds, spreads)))
        prior = sum(np.log(_SPREADS[spread]) for spread in combination)
        log_weights.append(fits[-1].evidence + prior)
    weights = normalised(np.array(log_weights))
    return np.asarray(weights @ np.stack([fit.coefficients for fit in fits]))


def _effect(
    name: str, values: NDArray[np.float64], log_odds: NDArray[np.float64]
) -> TraitEffect | None:
    has_trait = values > 0
    if has_trait.all() or not has_trait.any():
        return None
    rates = (float(expit(log_odds[mask]).mean()) for mask in (has_trait, ~has_trait))
    return TraitEffect(name, *rates)


def _column_spreads(kinds: tuple[str, ...], spreads: dict[str, float]) -> NDArray[np.float64]:
    return np.array([_BASE_SPREAD, *(spreads[kind] for kind in kinds)])


@dataclass(frozen=True)
class _LogisticFit:
    coefficients: NDArray[np.float64]
    evidence: float


def _fit(
    design: NDArray[np.float64],
    wrong: NDArray[np.bool_],
    spreads: NDArray[np.float64],
) -> _LogisticFit:
    """Coefficients of largest posterior, the base first, and the log evidence of the spreads."""
    used = spreads > 0
    table = np.column_stack([np.ones(len(design)), design])[:, used]
    center = np.zeros(int(used.sum()))
    center[0] = _BASE
    precision = spreads[used] ** -2.0
    sides, beta = np.where(wrong, 1.0, -1.0), center.copy()
    for _ in range(_NEWTON_STEPS):
        p = expit(table @ beta)
        gradient = table.T @ (wrong - p) - precision * (beta - center)
        hessian = table.T @ (table * (p * (1.0 - p))[:, None]) + np.diag(precision)
        step = np.linalg.solve(hessian, gradient)
        # From the prior's center full steps can overshoot.
        beta = beta + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < _TOLERANCE:
            break
    likelihood = float(log_expit(sides * (table @ beta)).sum())
    off = beta - center
    evidence = likelihood - 0.5 * float(precision @ off**2)
    evidence += 0.5 * float(np.log(precision).sum()) - 0.5 * float(np.linalg.slogdet(hessian)[1])
    coefficients = np.zeros(len(spreads))
    coefficients[used] = beta
    return _LogisticFit(coefficients, evidence)
