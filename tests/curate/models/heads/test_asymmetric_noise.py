from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from curate.models.heads.asymmetric_noise import AsymmetricNoise, fit_asymmetric


def recorded(first_lost: float, second_lost: float, seed: int, count: int = 20_000):  # type: ignore[no-untyped-def]
    """Margins of the recorded label, whether it is the first slot, and whether it is right."""
    rng = np.random.default_rng(seed)
    margin = 4.0 * rng.normal(size=count)
    true = rng.random(count) < expit(margin)
    lost = rng.random(count) < np.where(true, first_lost, second_lost)
    first = true ^ lost
    return np.where(first, margin, -margin), first, ~lost


@pytest.mark.slow
@pytest.mark.parametrize(("first_lost", "second_lost"), [(0.05, 0.3), (0.3, 0.05), (0.2, 0.2)])
def test_both_rates_are_found_whatever_the_scale(first_lost: float, second_lost: float) -> None:
    for temperature in (0.5, 2.0):
        fits = []
        for seed in range(3):
            margins, first, _ = recorded(first_lost, second_lost, seed)
            fits.append(fit_asymmetric(temperature * margins, first))
        assert np.mean([f.first_lost for f in fits]) == pytest.approx(first_lost, abs=0.02)
        assert np.mean([f.second_lost for f in fits]) == pytest.approx(second_lost, abs=0.02)
        assert np.mean([f.scale for f in fits]) == pytest.approx(1 / temperature, rel=0.15)


def test_the_posterior_is_bayes_rule_and_calibrated() -> None:
    margins, first, right = recorded(0.1, 0.35, 7)
    noise = AsymmetricNoise(0.1, 0.35, 1.0)
    found = noise.right(margins, first)
    for i in range(0, 200, 13):
        p = expit(margins[i] if first[i] else -margins[i])  # that the first is preferred
        kept, made = (p * 0.9, (1 - p) * 0.35) if first[i] else ((1 - p) * 0.65, p * 0.1)
        assert found[i] == pytest.approx(kept / (kept + made))
    for low, high in ((0.0, 0.3), (0.3, 0.6), (0.6, 0.9), (0.9, 1.0)):
        own = (found >= low) & (found < high)
        assert right[own].mean() == pytest.approx(found[own].mean(), abs=0.04)
    assert noise.rate(margins, first) == pytest.approx(1 - right.mean(), abs=0.01)
