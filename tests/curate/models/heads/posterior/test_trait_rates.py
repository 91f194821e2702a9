"""Flip rates by trait: where judged pairs show them, and one number where they do not."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.optimize import approx_fprime
from scipy.special import expit

from curate.models.heads.posterior.trait_rates import _fit, trait_rates
from curate.models.heads.posterior.traits import LONGER, Traits, pair_traits
from tests.helpers import pairs_of


def traits_of(values: np.ndarray, *kinds: str) -> Traits:
    return Traits(tuple(f"{kind} {k}" for k, kind in enumerate(kinds)), kinds, values)


def judged_labels(rates: np.ndarray, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Verdicts on the first pairs, and which labels are wrong."""
    wrong = np.random.default_rng(seed).random(len(rates)) < rates
    judged = np.where(wrong, -1, 1).astype(np.int8)
    judged[count:] = 0
    return judged, wrong


def test_a_trait_that_matters_has_rates_of_its_own() -> None:
    rng = np.random.default_rng(1)
    longer = rng.choice([-1.0, 1.0], size=(2000, 1))
    judged, _ = judged_labels(np.where(longer[:, 0] > 0, 0.6, 0.02), 300)
    rates = trait_rates(traits_of(longer, "length"), judged, np.ones(2000, dtype=bool))
    assert rates.shift.mean() == pytest.approx(0.0)
    assert rates.shift[longer[:, 0] > 0].min() > rates.shift[longer[:, 0] < 0].max() + 2.0
    effect = rates.effects[0]
    assert effect.with_trait == pytest.approx(0.6, abs=0.12)
    assert effect.without < 0.1
    assert effect.text.startswith("length 0: about ")
    assert effect.to_json()["without"] == effect.without


def test_traits_that_do_not_matter_leave_one_rate() -> None:
    rng = np.random.default_rng(2)
    values = rng.choice([-1.0, 1.0], size=(500, 3))
    spreads = []
    for seed in range(20):
        judged, _ = judged_labels(np.full(500, 0.3), 100, seed)
        traits = traits_of(values, "length", "slot", "source")
        spreads.append(trait_rates(traits, judged, np.ones(500, dtype=bool)).shift.std())
    assert np.median(spreads) < 0.15
    assert np.mean(spreads) < 0.3


def test_one_annotator_of_several_may_be_careless() -> None:
    people = np.arange(600) % 3
    values = (people[:, None] == np.arange(3)).astype(float)
    judged, _ = judged_labels(np.where(people == 1, 0.6, 0.03), 120)
    traits = traits_of(values, *["annotator"] * 3)
    rates = trait_rates(traits, judged, np.ones(600, dtype=bool))
    careless = next(effect for effect in rates.effects if effect.name == "annotator 1")
    assert careless.with_trait > 0.4
    assert careless.without < 0.15


def test_the_fit_is_at_the_largest_posterior() -> None:
    rng = np.random.default_rng(0)
    design, spreads = rng.normal(size=(80, 2)), np.array([1.5, 1.0, 0.5])
    known = rng.normal(size=80)
    wrong = rng.random(80) < expit(design[:, 0] - 1.0 + known)

    def loss(beta: np.ndarray) -> float:
        logits = np.column_stack([np.ones(80), design]) @ beta + known
        off = (beta - np.array([-1.5, 0.0, 0.0])) / spreads
        return float(np.logaddexp(0.0, np.where(wrong, -logits, logits)).sum() + 0.5 * off @ off)

    gradient = approx_fprime(_fit(design, wrong, spreads, known).coefficients, loss, 1e-6)
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


def test_what_margins_explain_is_no_trait_of_flips() -> None:
    """Where the longer answer is mostly better, random flips leave wrong labels short."""
    rng = np.random.default_rng(5)
    count, better = 4000, 0.9
    truth_longer, flipped = rng.random(count) < better, rng.random(count) < 0.2
    longer = np.where(truth_longer ^ flipped, 1.0, -1.0)
    margin = longer * np.log(better / (1.0 - better))
    judged = np.where(flipped, -1, 1).astype(np.int8)
    judged[400:] = 0
    traits, voting = traits_of(longer[:, None], "length"), np.ones(count, dtype=bool)
    marginal = trait_rates(traits, judged, voting).shift
    beside = trait_rates(traits, judged, voting, margin).shift
    assert np.ptp(marginal) > 3.0
    assert np.ptp(beside) < 0.3


def test_a_trait_of_flips_stays_beside_margins() -> None:
    rng = np.random.default_rng(6)
    count = 4000
    x = rng.normal(0.0, 2.0, count)
    truth = rng.random(count) < expit(x)
    truth_longer = rng.random(count) < 0.5
    flipped = ~truth_longer & (rng.random(count) < 0.5)
    side = np.where(truth ^ flipped, 1.0, -1.0)
    longer = np.where(truth_longer ^ flipped, 1.0, -1.0)
    judged = np.where(flipped, -1, 1).astype(np.int8)
    judged[300:] = 0
    traits, voting = traits_of(longer[:, None], "length"), np.ones(count, dtype=bool)
    shift = trait_rates(traits, judged, voting, side * x).shift
    assert shift[longer > 0].min() > shift[longer < 0].max() + 1.5
