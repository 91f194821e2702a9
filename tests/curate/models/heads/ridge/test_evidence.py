"""Evidence ridge against brute force: gradients, refits without a prompt, and labels that leak."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.optimize import approx_fprime
from sklearn.metrics import roc_auc_score

from curate.data.table import with_pair_ids
from curate.models.heads.ridge.evidence import (
    Evidence,
    Ridge,
    SufficientStatistics,
    _RotatedStatistics,
    sufficient_statistics,
)
from curate.models.heads.ridge.margins import held_out_margins
from curate.steps.context import Context
from tests.helpers import Simulation, simulate

WIDTHS, CENTRE = (6, 3, 1), (-2.0, -1.0, -3.0)


def rows_of(seed: int, count: int = 60) -> np.ndarray:
    """Features of pairs, oriented to their labels."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=sum(WIDTHS))
    z = rng.normal(size=(count, sum(WIDTHS)))
    return z * np.sign(z @ weights + rng.normal(size=count))[:, None]


def targets_of(seed: int, count: int = 60) -> np.ndarray:
    """2 q - 1 of labels that are right with probability q."""
    return np.random.default_rng(seed).uniform(-1.0, 1.0, size=count)


def summed(
    z: np.ndarray, weights: np.ndarray | None = None, targets: np.ndarray | None = None
) -> SufficientStatistics:
    w, y = (np.ones(len(z)) if v is None else v for v in (weights, targets))
    groups = np.arange(len(z))
    return sufficient_statistics(lambda rows: z[rows], groups, w, y, z.shape[1])


def naive_evidence(z: np.ndarray, y: np.ndarray, theta: np.ndarray) -> float:
    """log N(y; 0, Z V Z' + s2 I) and the log hyperprior, up to constants."""
    variances = np.repeat(np.exp(theta[:-1]), WIDTHS)
    covariance = (z * variances) @ z.T + np.exp(theta[-1]) * np.eye(len(z))
    _, size = np.linalg.slogdet(covariance)
    fit = -0.5 * y @ np.linalg.solve(covariance, y) - 0.5 * size
    off = theta[:-1] - np.array(CENTRE)
    spread = np.eye(3) * 0.6**2 + 2.5**2
    return float(fit - 0.5 * off @ np.linalg.solve(spread, off) - 0.5 * (theta[-1] / 3.0) ** 2)


def rotated(statistics: SufficientStatistics) -> _RotatedStatistics:
    values, basis = np.linalg.eigh(statistics.gram[:6, :6])
    return _RotatedStatistics(
        values,
        basis.T @ statistics.gram[:6, 6:],
        statistics.gram[6:, 6:],
        basis.T @ statistics.cross[:6],
        statistics.cross[6:],
        statistics.square,
        statistics.count,
    )


@pytest.mark.parametrize("targets", [np.ones(60), targets_of(7)], ids=["labels", "posteriors"])
def test_the_evidence_is_that_of_the_full_gaussian_and_so_is_its_gradient(
    targets: np.ndarray,
) -> None:
    z = rows_of(0)
    evidence, parts = Evidence(WIDTHS, CENTRE), rotated(summed(z, targets=targets))
    thetas = np.random.default_rng(1).normal(-1.0, 1.0, size=(4, 4))
    values = [evidence._loss(theta, parts)[0] for theta in thetas]
    naive = [-naive_evidence(z, targets, theta) for theta in thetas]
    np.testing.assert_allclose(np.diff(values), np.diff(naive), rtol=1e-9)
    for theta in thetas:
        numeric = approx_fprime(theta, lambda t: evidence._loss(t, parts)[0], 1e-7)
        np.testing.assert_allclose(evidence._loss(theta, parts)[1], numeric, atol=1e-4)


def test_strengths_follow_what_the_blocks_are_worth() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(4000, sum(WIDTHS)))
    z *= np.sign(z[:, 6] * 2.0 + rng.normal(size=len(z)))[:, None]  # of the second block alone
    theta = Evidence(WIDTHS, (-4.0, -4.0, -4.0)).strengths(summed(z))
    assert theta[1] > theta[0]
    assert theta[1] > theta[2]


@pytest.mark.parametrize("targets", [np.ones(40), targets_of(7, 40)], ids=["labels", "posteriors"])
def test_margins_are_those_of_a_refit_without_the_prompt(targets: np.ndarray) -> None:
    z = rows_of(3, 40)
    groups = np.repeat(np.arange(16), [1, 2, 3, 4] * 4)
    weights = np.random.default_rng(0).choice([0.0, 0.5, 1.0], size=len(z))
    evidence = Evidence(WIDTHS, CENTRE)
    theta = np.array([-1.0, 0.0, -2.0, -0.5])
    ridge = Ridge.fit(summed(z, weights, targets), evidence, theta)
    margins = ridge.left_out(z, groups, weights, targets)
    for group in range(16):
        other_weights = weights * (groups != group)
        refit = Ridge.fit(summed(z, other_weights, targets), evidence, theta)
        np.testing.assert_allclose(margins[groups == group], z[groups == group] @ refit.weights)


def test_no_label_of_a_prompt_changes_its_margins() -> None:
    """Flipping the labels of one prompt negates its margins, but for strengths and scale."""
    sim = simulate(200, dim=6, seed=2)
    before = held_out_margins(sim.pairs, sim.context).margin
    prompt_mask = np.arange(200) % 100 == 0  # two pairs of one prompt
    assert prompt_mask.sum() == 2
    turned = pl.Series(prompt_mask)
    pairs = sim.pairs.with_columns(
        chosen=pl.when(turned).then("rejected").otherwise("chosen"),
        rejected=pl.when(turned).then("chosen").otherwise("rejected"),
    )
    features = sim.context.features.flipped(prompt_mask)
    after = held_out_margins(pairs, Context().for_pairs(pairs, features)).margin
    ratio = -after[prompt_mask] / before[prompt_mask]
    # The prompt counts in the strengths of five blocks and in the spread of margins.
    np.testing.assert_allclose(ratio, ratio[0], rtol=0.02)
    assert ratio[0] == pytest.approx(1.0, abs=0.1)


def test_flips_are_found_nearly_as_well_as_by_the_true_margin() -> None:
    sim = simulate(3000, flips=0.2, scale=6.0)
    held_out = held_out_margins(sim.pairs, sim.context)
    best = roc_auc_score(sim.flipped, -sim.margin)
    assert roc_auc_score(sim.flipped, -held_out.margin) > best - 0.03
    assert held_out.strengths["embedding"] > held_out.strengths["style"]


def test_random_labels_have_no_margins() -> None:
    scales = [held_out_margins(*noise(seed)).scale for seed in range(6)]
    assert np.mean(scales) < 0.3


def noise(seed: int) -> tuple[object, Context]:
    sim = simulate(600, flips=0.5, seed=seed)
    return sim.pairs, sim.context


def shuffled(sim: Simulation, order: np.ndarray) -> tuple[object, Context]:
    pairs = sim.pairs[order]
    return pairs, Context().for_pairs(pairs, sim.context.features.take(order))


def test_the_order_of_rows_does_not_matter() -> None:
    sim = simulate(300)
    before = held_out_margins(sim.pairs, sim.context).margin
    order = np.random.default_rng(0).permutation(300)
    after = held_out_margins(*shuffled(sim, order)).margin  # type: ignore[arg-type]
    np.testing.assert_allclose(after, before[order], atol=1e-6)


def test_votes_that_repeat_a_label_teach_it_once() -> None:
    sim = simulate(150, dim=6)
    once = held_out_margins(sim.pairs, sim.context).margin
    rows = np.repeat(np.arange(150), 3)
    pairs = with_pair_ids(sim.pairs[rows].with_columns(pair_id=None))
    copies = Context().for_pairs(pairs, sim.context.features.take(rows))
    thrice = held_out_margins(pairs, copies).margin
    np.testing.assert_allclose(thrice.reshape(150, 3).std(axis=1), 0.0, atol=1e-9)
    assert np.corrcoef(thrice[::3], once)[0, 1] > 0.999


@pytest.mark.parametrize("count", [4, 6, 10])
def test_a_handful_of_pairs(count: int) -> None:
    sim = simulate(count)
    assert np.isfinite(held_out_margins(sim.pairs, sim.context).margin).all()


def test_single_precision_of_many_rows_changes_nothing_that_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sim = simulate(800, flips=0.2)
    double = held_out_margins(sim.pairs, sim.context).margin
    monkeypatch.setattr("curate.models.heads.ridge.feature_blocks._SINGLE_PRECISION_ROWS", 0)
    context = Context().for_pairs(sim.pairs, sim.context.features)
    single = held_out_margins(sim.pairs, context).margin
    assert np.abs(single - double).max() < 1e-3 * double.std()
