"""Flip rates by trait: where judged pairs show them, and one number where they do not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest
from scipy.optimize import approx_fprime
from scipy.special import expit

from curate.models.heads.posterior.averaging import Priors, average_posterior
from curate.models.heads.posterior.axes import DIFFUSE
from curate.models.heads.posterior.observations import Observations, unit_scale
from curate.models.heads.posterior.trait_rates import _fit, trait_rates
from curate.models.heads.posterior.traits import LONGER, Traits, pair_traits
from tests.helpers import pairs_of


def traits_of(values: np.ndarray, *kinds: str) -> Traits:
    return Traits(tuple(f"{kind} {k}" for k, kind in enumerate(kinds)), kinds, values)


def judged_labels(rates: np.ndarray, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Verdicts on the first pairs, and which labels are wrong."""
    wrong = np.random.default_rng(seed).random(len(rates)) < rates
    verdicts = np.where(wrong, -1, 1).astype(np.int8)
    verdicts[count:] = 0
    return verdicts, wrong


def test_a_trait_that_matters_has_rates_of_its_own() -> None:
    rng = np.random.default_rng(1)
    longer = rng.choice([-1.0, 1.0], size=(2000, 1))
    verdicts, _ = judged_labels(np.where(longer[:, 0] > 0, 0.6, 0.02), 300)
    rates = trait_rates(traits_of(longer, "source"), verdicts, np.ones(2000, dtype=bool))
    assert rates.if_right[:300].mean() == pytest.approx(0.0, abs=0.5)
    is_longer = longer[:, 0] > 0
    assert rates.if_right[is_longer].min() > rates.if_right[~is_longer].max() + 2.0
    np.testing.assert_array_equal(rates.if_right[is_longer][0], rates.if_wrong[is_longer][0])
    effect = rates.effects[0]
    assert effect.with_trait == pytest.approx(0.6, abs=0.12)
    assert effect.without < 0.1
    assert effect.text.startswith("source 0: about ")
    assert effect.to_json()["without"] == effect.without


def test_traits_that_do_not_matter_leave_one_rate() -> None:
    rng = np.random.default_rng(2)
    values = rng.choice([-1.0, 1.0], size=(500, 3))
    spreads = []
    for seed in range(20):
        verdicts, _ = judged_labels(np.full(500, 0.3), 100, seed)
        traits = traits_of(values, "length", "slot", "source")
        spreads.append(trait_rates(traits, verdicts, np.ones(500, dtype=bool)).if_right.std())
    assert np.median(spreads) < 0.15
    assert np.mean(spreads) < 0.3


def test_one_annotator_of_several_may_be_careless() -> None:
    people = np.arange(600) % 3
    values = (people[:, None] == np.arange(3)).astype(float)
    verdicts, _ = judged_labels(np.where(people == 1, 0.6, 0.03), 120)
    traits = traits_of(values, *["annotator"] * 3)
    rates = trait_rates(traits, verdicts, np.ones(600, dtype=bool))
    careless = next(effect for effect in rates.effects if effect.name == "annotator 1")
    assert careless.with_trait > 0.4
    assert careless.without < 0.15


def test_the_fit_is_at_the_largest_posterior() -> None:
    rng = np.random.default_rng(0)
    design, spreads = rng.normal(size=(80, 2)), np.array([1.5, 1.0, 0.5])
    wrong = rng.random(80) < expit(design[:, 0] - 1.0)

    def loss(beta: np.ndarray) -> float:
        logits = np.column_stack([np.ones(80), design]) @ beta
        off = (beta - np.array([-1.5, 0.0, 0.0])) / spreads
        return float(np.logaddexp(0.0, np.where(wrong, -logits, logits)).sum() + 0.5 * off @ off)

    gradient = approx_fprime(_fit(design, wrong, spreads).coefficients, loss, 1e-6)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-3)


def test_traits_of_pairs_are_those_that_judged_pairs_show() -> None:
    rows = [
        {
            "prompt": f"p{i}",
            "chosen": "long answer" if i % 2 else "a",
            "rejected": "b" if i % 2 else "another long answer",
            "annotator": "x" if i < 30 else "y",
            "extra": '{"chosen_slot": 1}',
        }
        for i in range(40)
    ]
    pairs = pairs_of(rows)
    traits = pair_traits(pairs, np.arange(40) < 36)
    assert dict(zip(traits.names, traits.kinds, strict=True)) == {
        LONGER: "length",
        "annotator x": "annotator",
        "annotator y": "annotator",
    }
    np.testing.assert_array_equal(traits.values[:, 0], np.where(np.arange(40) % 2, 1.0, -1.0))
    assert pl.Series(traits.values[:, 1]).sum() == 30


@dataclass(frozen=True)
class Annotated:
    """Labels of an annotator, with what heads and length say of each."""

    margin: np.ndarray
    longer: np.ndarray
    flipped: np.ndarray

    def verdicts(self, count: int) -> np.ndarray:
        """Verdicts on the first pairs."""
        verdicts = np.where(self.flipped, -1, 1).astype(np.int8)
        verdicts[count:] = 0
        return verdicts


def annotated(count: int, pull: float, rates: tuple[float, float], seed: int) -> Annotated:
    """Labels flipped at one rate where the right answer is the longer one, else at another.

    `pull`: nats that length says for the longer answer, among what heads know.
    """
    rng = np.random.default_rng(seed)
    first_longer = rng.random(count) < 0.5
    x = rng.normal(0.0, 2.0, count) + np.where(first_longer, pull, -pull)
    truth = rng.random(count) < expit(x)
    flipped = rng.random(count) < np.where(truth == first_longer, *rates)
    label = truth ^ flipped
    return Annotated(np.where(label, x, -x), np.where(label == first_longer, 1.0, -1.0), flipped)


def test_random_flips_do_not_depend_on_length_where_longer_is_mostly_better() -> None:
    """Wrong labels are short then, which is no trait of the flips."""
    labels = annotated(4000, pull=3.0, rates=(0.2, 0.2), seed=5)
    traits, voting = traits_of(labels.longer[:, None], "length"), np.ones(4000, dtype=bool)
    by_label = trait_rates(traits, labels.verdicts(400), voting, by_truth=False)
    by_truth = trait_rates(traits, labels.verdicts(400), voting)
    assert np.ptp(by_label.if_right) > 3.0
    assert np.ptp(by_truth.if_right) < 0.3
    assert not by_truth.effects


def test_rates_by_length_turn_with_the_truth() -> None:
    labels = annotated(4000, pull=1.0, rates=(0.02, 0.5), seed=6)
    traits, voting = traits_of(labels.longer[:, None], "length"), np.ones(4000, dtype=bool)
    rates = trait_rates(traits, labels.verdicts(400), voting)
    chosen_longer = labels.longer > 0
    assert rates.if_right[~chosen_longer].min() > rates.if_right[chosen_longer].max() + 2.0
    np.testing.assert_allclose(rates.if_wrong[chosen_longer][0], rates.if_right[~chosen_longer][0])
    (effect,) = rates.effects
    assert effect.with_trait == pytest.approx(0.02, abs=0.04)
    assert effect.without == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("seed", range(3))
def test_the_posterior_is_calibrated_where_flips_depend_on_the_right_answer(seed: int) -> None:
    """A model of the label's own traits is not: what heads know of length counts twice."""
    labels = annotated(6000, pull=2.0, rates=(0.02, 0.5), seed=10 + seed)
    verdicts = labels.verdicts(150)
    traits, voting = traits_of(labels.longer[:, None], "length"), np.ones(6000, dtype=bool)
    errors = []
    for by_truth in (True, False):
        rates = trait_rates(traits, verdicts, voting, by_truth)
        observed = Observations.from_margins(unit_scale(labels.margin), verdicts=verdicts)
        observed = replace(observed, shift_right=rates.if_right, shift_wrong=rates.if_wrong)
        right = average_posterior(observed, Priors(DIFFUSE, rate_shape=1.0)).label_right(observed)
        groups = np.array_split(150 + np.argsort(right[150:]), 10)
        gaps = [abs(right[rows].mean() - 1.0 + labels.flipped[rows].mean()) for rows in groups]
        errors.append(float(np.mean(gaps)))
    assert errors[0] <= 0.03
    assert errors[1] > 0.05
