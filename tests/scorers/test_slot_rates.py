"""Class-conditional flips: rates of known labels, and Bayes' rule."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from curate.scorers.label_em.slot_rates import _RATES, _SCALES, SlotRates, slot_rates


def recorded(first_lost: float, second_lost: float, seed: int, count: int = 8000):  # type: ignore[no-untyped-def]
    """Log odds of the recorded label, whether it is the first slot, and whether it is right."""
    rng = np.random.default_rng(seed)
    margin = 4.0 * rng.normal(size=count)
    true = rng.random(count) < expit(margin)
    lost = rng.random(count) < np.where(true, first_lost, second_lost)
    first = true ^ lost
    return np.where(first, margin, -margin), first, ~lost


@pytest.mark.parametrize(("first_lost", "second_lost"), [(0.05, 0.3), (0.3, 0.05), (0.2, 0.2)])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_both_rates_are_estimated_whatever_the_scale(
    first_lost: float, second_lost: float, temperature: float
) -> None:
    logits, first, _ = recorded(first_lost, second_lost, 0)
    rates = slot_rates(temperature * logits, first)
    assert rates.first_lost == pytest.approx(first_lost, abs=0.03)
    assert rates.second_lost == pytest.approx(second_lost, abs=0.03)


def test_a_known_rate_gives_bayes_rule() -> None:
    logits, first, right = recorded(0.1, 0.35, 7)
    mass = np.zeros((len(_SCALES), len(_RATES), len(_RATES)))
    mass[4, np.searchsorted(_RATES, 0.1), np.searchsorted(_RATES, 0.35)] = 1.0
    posterior = SlotRates(mass).label_right(logits, first)
    for i in range(0, 200, 13):
        p = expit(logits[i] if first[i] else -logits[i])  # that the first is preferred
        unchanged, exchanged = (p * 0.9, (1 - p) * 0.35) if first[i] else ((1 - p) * 0.65, p * 0.1)
        assert posterior[i] == pytest.approx(unchanged / (unchanged + exchanged))
    for low, high in ((0.0, 0.3), (0.3, 0.6), (0.6, 0.9), (0.9, 1.0)):
        within = (posterior >= low) & (posterior < high)
        assert right[within].mean() == pytest.approx(posterior[within].mean(), abs=0.04)


def test_labels_that_say_nothing_give_the_prior() -> None:
    rates = slot_rates(np.zeros(500), np.arange(500) % 2 == 0)
    assert rates.first_lost == pytest.approx(rates.second_lost, abs=0.02)
    right = rates.label_right(np.zeros(4), np.array([True, False, True, False]))
    np.testing.assert_allclose(right, right[0], atol=0.05)
