"""Several sources as one: errors that they share count once."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from scipy.special import expit

from curate.models.heads.posterior.averaging import Priors, average_posterior
from curate.models.heads.posterior.combined_evidence import combine_sources, scaled_margin
from curate.models.heads.posterior.observations import Observations, unit_scale
from curate.steps.evidence import EvidenceSource

Trust = Literal["unknown", "strong"]


def sources_of(
    count: int, rho: float, sources: int = 3, rate: float = 0.2, seed: int = 0
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Margins of sources whose errors correlate, of heads, and whether each label is right.

    The error that sources share is what heads see too (length, say).
    """
    rng = np.random.default_rng(seed)
    shared, m = rng.normal(size=(2, count))
    truth = np.where(rng.random(count) < expit(m), 1.0, -1.0)
    margins = [
        0.8 * truth + np.sqrt(rho) * shared + np.sqrt(1.0 - rho) * rng.normal(size=count)
        for _ in range(sources)
    ]
    right = rng.random(count) >= rate
    label = np.where(right, truth, -truth)
    return [label * t for t in margins], label * (m + 0.5 * shared), right


def posterior_of(
    margins: list[np.ndarray], heads: np.ndarray, trust: Trust = "unknown"
) -> np.ndarray:
    sources = tuple(EvidenceSource(f"source {k}", t, trust) for k, t in enumerate(margins))
    everywhere, unjudged = np.ones(len(heads), dtype=bool), np.zeros(len(heads), dtype=np.int8)
    combined = combine_sources(sources, everywhere, unjudged, np.ones(len(heads)))
    labels = Observations.from_margins(unit_scale(heads), combined.margin)
    return average_posterior(labels, Priors(combined.prior)).label_right(labels)


def calibration_error(posterior: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error over ten bins of equal size."""
    bins = np.array_split(np.argsort(posterior), 10)
    return float(np.mean([abs(posterior[rows].mean() - right[rows].mean()) for rows in bins]))


@pytest.mark.parametrize("trust", ["unknown", "strong"])
@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_the_posterior_stays_calibrated_whatever_sources_share(rho: float, trust: Trust) -> None:
    posteriors, truths = [], []
    for seed in range(6):
        margins, heads, right = sources_of(2000, rho, seed=seed)
        posteriors.append(posterior_of(margins, heads, trust))
        truths.append(right)
    assert calibration_error(np.concatenate(posteriors), np.concatenate(truths)) < 0.03


def test_sources_counted_as_independent_would_be_too_sure() -> None:
    """What the regression saves: with rho .9 the sum of single log odds is far too sure."""
    margins, heads, right = sources_of(4000, 0.9, sources=5)
    one = np.array([0.8 * 2.0 * t for t in margins]).sum(axis=0) + unit_scale(heads)
    naive = expit(one + np.log(4.0))
    assert calibration_error(naive, right) > 2.0 * calibration_error(
        posterior_of(margins, heads), right
    )


def test_a_source_and_its_copies_weigh_as_much_as_the_source() -> None:
    margins, heads, _ = sources_of(2000, 0.0, sources=1)
    once, thrice = posterior_of(margins, heads), posterior_of(margins * 3, heads)
    np.testing.assert_allclose(once, thrice, atol=1e-6)


def test_a_source_that_errs_with_another_is_weighed_against_it() -> None:
    """The second source sees the first one's error alone, so that it helps to take it away."""
    rng = np.random.default_rng(0)
    truth, error = np.where(rng.random(3000) < 0.5, 1.0, -1.0), rng.normal(size=3000)
    label = np.where(rng.random(3000) < 0.8, truth, -truth)
    sources = (
        EvidenceSource("judge", label * (truth + error)),
        EvidenceSource("length", label * (error + 0.3 * rng.normal(size=3000))),
    )
    everywhere, unjudged = np.ones(3000, dtype=bool), np.zeros(3000, dtype=np.int8)
    combined = combine_sources(sources, everywhere, unjudged, np.ones(3000))
    assert np.corrcoef(combined.margin, label * truth)[0, 1] > 0.9
    np.testing.assert_allclose(sum(combined.components), combined.margin)


def test_margins_are_scaled_and_missing_ones_are_zero() -> None:
    margin = np.array([1.0, -1.0, np.nan, 0.0, 1e9, -np.inf, 5.0])
    voting = np.array([True] * 6 + [False])
    scaled = scaled_margin(margin, voting)
    assert np.isfinite(scaled).all()
    assert (scaled[[2, 3, 6]] == 0).all()
    assert np.mean(np.square(scaled[:6])) == pytest.approx(1.0)
    assert not scaled_margin(np.full(7, np.nan), voting).any()
