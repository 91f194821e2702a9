"""The averaged posterior beside a naive sum over the same grid, and on labels of known truth."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.special import expit

from curate.models.heads.posterior import observations
from curate.models.heads.posterior.averaging import (
    GridPoint,
    Priors,
    _log_posterior,
    average_posterior,
)
from curate.models.heads.posterior.axes import (
    DIFFUSE,
    HEADS,
    STRONG,
    RateAxis,
    ScaleAxis,
    normalised,
)
from curate.models.heads.posterior.observations import Observations, unit_scale


def simulated(
    count: int, rate: float, heads: float = 1.5, evidence: float = 1.5, seed: int = 0
) -> tuple[Observations, np.ndarray]:
    """Labels flipped at a rate, and whether each is right."""
    rng = np.random.default_rng(seed)
    m, t = rng.normal(size=(2, count))
    truth = np.where(rng.random(count) < expit(heads * m + evidence * t), 1, -1)
    right = rng.random(count) >= rate
    label = np.where(right, truth, -truth)
    return Observations.from_margins(unit_scale(label * m), unit_scale(label * t)), right


def voted(count: int, rate: float, people: int, seed: int = 0) -> tuple[Observations, np.ndarray]:
    """Votes of several people on each pair."""
    rng = np.random.default_rng(seed)
    m = rng.normal(size=count)
    truth = np.where(rng.random(count) < expit(1.5 * m), 1, -1)
    right = rng.random((count, people)) >= rate
    votes = np.where(right, truth[:, None], -truth[:, None])
    balance = votes * votes.sum(axis=1, keepdims=True)
    rows = Observations.from_margins(unit_scale((votes * m[:, None]).ravel()))
    size = np.full(count * people, float(people))
    zero, no_verdict = np.zeros(count * people), np.zeros(count * people, dtype=np.int8)
    labels = Observations(
        rows.heads, zero, balance.ravel().astype(float), size, zero, zero, no_verdict, 1.0 / size
    )
    return labels, right.ravel()


def naive_log_likelihood(labels: Observations, a: float, b: float, e: float) -> float:
    """Label by label: the sum over both truths of the votes' probabilities."""
    total = 0.0
    for row in zip(*labels.columns(), strict=True):
        if_right, if_wrong = naive_votes(row, e)
        m, t, verdict, weight = row[0], row[1], int(row[6]), row[7]
        right, wrong = expit(a * m + b * t) * if_right, expit(-a * m - b * t) * if_wrong
        total += weight * np.log({0: right + wrong, 1: right, -1: wrong}[verdict])
    return float(total)


def naive_votes(row: tuple[np.ndarray, ...], e: float) -> tuple[float, float]:
    """P(votes | label right) and P(votes | label wrong), vote by vote."""
    _, _, balance, count, shift_right, shift_wrong, _, _ = row
    agree, against = round((count + balance) / 2), round((count - balance) / 2)
    flip_right, flip_wrong = (expit(np.log(e / (1 - e)) + u) for u in (shift_right, shift_wrong))
    right = np.prod([1 - flip_right] * agree + [flip_right] * against)
    wrong = np.prod([flip_wrong] * agree + [1 - flip_wrong] * against)
    return float(right), float(wrong)


def mixed_labels() -> Observations:
    rng = np.random.default_rng(3)
    count = rng.integers(1, 5, size=40).astype(float)
    balance = np.array([rng.choice(np.arange(2 - c, c + 1, 2)) for c in count])
    verdicts = rng.choice([-1, 0, 0, 0, 1], size=40).astype(np.int8)
    return Observations(
        rng.normal(size=40),
        rng.normal(size=40),
        balance,
        count,
        *rng.normal(size=(2, 40)),
        verdicts,
        1.0 / count,
    )


def test_the_grid_holds_the_likelihood_of_every_label() -> None:
    labels = mixed_labels()
    axes = [ScaleAxis.from_prior(HEADS), ScaleAxis.from_prior(DIFFUSE)]
    rates = RateAxis.from_shape(2.0)
    log_posterior = _log_posterior(labels, axes[0], axes[1], rates)
    prior = axes[0].log_weights[:, None, None] + axes[1].log_weights[:, None] + rates.log_weights
    for i, j, k in product((0, 3, 9), (0, 5, 20), (1, 6, 12)):
        a, b, e = axes[0].values[i], axes[1].values[j], rates.values[k]
        expected = naive_log_likelihood(labels, a, b, e) + prior[i, j, k]
        assert log_posterior[i, j, k] == pytest.approx(expected, abs=1e-9)


def test_the_posterior_is_bayes_rule_averaged_over_the_grid() -> None:
    labels = mixed_labels()
    averaged = average_posterior(labels, Priors(DIFFUSE))
    right = averaged.label_right(labels)
    assert sum(point.mass for point in averaged.points) == pytest.approx(1.0)
    for i in range(len(labels)):
        row = tuple(column[i] for column in labels.columns())
        expected = 0.0
        for p in averaged.points:
            if_right, if_wrong = naive_votes(row, p.rate)
            logit = p.heads * row[0] + p.evidence * row[1]
            correct, incorrect = expit(logit) * if_right, expit(-logit) * if_wrong
            expected += p.mass * correct / (correct + incorrect)
        verdict = int(row[6])
        assert right[i] == pytest.approx(expected if verdict == 0 else float(verdict > 0))


def test_the_share_of_flipped_labels_is_that_of_the_rates_of_both_truths() -> None:
    """Flips at .5 where the answer with a trait is right, at .02 elsewhere: .26 of the labels."""
    rng = np.random.default_rng(4)
    count = 6000
    has_trait, x = rng.random(count) < 0.5, rng.normal(0.0, 3.0, count)
    truth = rng.random(count) < expit(x)
    flipped = rng.random(count) < np.where(truth == has_trait, 0.5, 0.02)
    side, labelled = np.where(truth ^ flipped, 1.0, -1.0), (truth ^ flipped) == has_trait
    difference = float(np.log(0.5 / 0.5) - np.log(0.02 / 0.98))
    shifts = (np.where(mask, 0.5, -0.5) * difference for mask in (labelled, ~labelled))
    labels = Observations.from_margins(unit_scale(side * x))
    labels = replace(labels, **dict(zip(("shift_right", "shift_wrong"), shifts, strict=True)))
    averaged = average_posterior(labels, Priors(DIFFUSE))
    assert averaged.rate == pytest.approx(flipped.mean(), abs=0.02)
    right = averaged.label_right(labels)
    for mask in (labelled, ~labelled):
        assert right[mask].mean() == pytest.approx(1.0 - flipped[mask].mean(), abs=0.03)


@pytest.mark.parametrize("prior", [HEADS, DIFFUSE, STRONG])
def test_priors_of_scales_sum_to_one(prior: object) -> None:
    axis = ScaleAxis.from_prior(prior)  # type: ignore[arg-type]
    assert np.exp(axis.log_weights).sum() == pytest.approx(1.0, abs=0.01)
    assert len(axis.values) == len(axis.log_weights)


def test_the_posterior_is_calibrated_where_its_priors_hold() -> None:
    """Scales and rates drawn from the priors: then P(right) must be the share that is right."""
    rng = np.random.default_rng(0)
    posteriors, truths = [], []
    for seed in range(250):
        rate = 0.5 * rng.beta(1.0, 2.0)
        heads = np.exp(HEADS.center + HEADS.spread * rng.normal())
        evidence = np.exp(DIFFUSE.center + DIFFUSE.spread * rng.normal())
        evidence *= rng.choice([1.0, -1.0], p=[1 - DIFFUSE.negative, DIFFUSE.negative])
        evidence *= rng.random() > DIFFUSE.zero
        labels, right = simulated(120, rate, heads, evidence, seed)
        posteriors.append(average_posterior(labels, Priors(DIFFUSE)).label_right(labels))
        truths.append(right)
    posterior, right = np.concatenate(posteriors), np.concatenate(truths)
    for rows in np.array_split(np.argsort(posterior), 8):
        assert posterior[rows].mean() == pytest.approx(right[rows].mean(), abs=0.035)


def test_features_that_say_nothing_leave_all_labels_alike() -> None:
    rng = np.random.default_rng(0)
    noise = Observations.from_margins(unit_scale(rng.normal(size=800)))
    right = average_posterior(noise, Priors(DIFFUSE)).label_right(noise)
    assert right.std() < 0.1
    weights = 2.0 * right - 1.0
    assert weights.sum() ** 2 / (len(right) * (weights**2).sum()) > 0.9


def test_evidence_that_sides_against_the_truth_is_turned() -> None:
    labels, _ = simulated(3000, 0.1, evidence=-2.0)
    averaged = average_posterior(labels, Priors(DIFFUSE))
    assert averaged.mean("evidence") == pytest.approx(-2.0, abs=0.4)


def test_judged_pairs_show_the_rate() -> None:
    labels, right = simulated(400, 0.4, heads=0.3, evidence=0.0, seed=5)
    verdicts = np.where(np.arange(400) < 200, np.where(right, 1, -1), 0).astype(np.int8)
    observations = Observations.from_margins(labels.heads, labels.evidence, verdicts)
    averaged = average_posterior(observations, Priors(DIFFUSE, rate_shape=1.0))
    assert averaged.rate == pytest.approx(0.4, abs=0.08)
    posterior = averaged.label_right(observations)
    np.testing.assert_array_equal(posterior[:200], right[:200])


def test_votes_show_the_rate_and_weigh_each_other() -> None:
    labels, right = voted(800, 0.25, people=3)
    averaged = average_posterior(labels, Priors(DIFFUSE))
    assert averaged.rate == pytest.approx(0.25, abs=0.03)
    posterior = averaged.label_right(labels)
    for balance in (-1.0, 1.0, 3.0):
        group = labels.votes == balance
        assert posterior[group].mean() == pytest.approx(right[group].mean(), abs=0.05)


@pytest.mark.parametrize("people", [1, 3])
def test_counting_in_bins_changes_next_to_nothing(
    monkeypatch: pytest.MonkeyPatch, people: int
) -> None:
    labels, _ = voted(6000 // people, 0.3, people=people)
    exact = average_posterior(labels, Priors(DIFFUSE))
    monkeypatch.setattr(observations, "MAX_ROWS", 100)
    assert len(labels.compressed()) < 600
    binned = average_posterior(labels, Priors(DIFFUSE))
    assert binned.rate == pytest.approx(exact.rate, abs=0.005)
    np.testing.assert_allclose(binned.label_right(labels), exact.label_right(labels), atol=0.02)


def test_a_narrow_posterior_is_averaged_over_several_nodes() -> None:
    labels, right = simulated(40_000, 0.3, heads=3.0, evidence=3.0)
    averaged = average_posterior(labels, Priors(STRONG))
    assert averaged.rate == pytest.approx(1.0 - right.mean(), abs=0.01)
    low, high = averaged.rate_quantile(0.025), averaged.rate_quantile(0.975)
    assert low < 1.0 - right.mean() < high
    assert high - low < 0.03
    assert (averaged.rate_mass > 0.01).sum() >= 4


def test_masses_sum_to_one() -> None:
    assert normalised(np.array([-1000.0, -1001.0])).sum() == pytest.approx(1.0)


def test_a_few_points_stand_for_all() -> None:
    labels, _ = simulated(800, 0.3, heads=1.5, seed=4)
    averaged = average_posterior(labels, Priors(DIFFUSE))
    points = averaged.summarise(5)
    assert 2 <= len(points) <= 5
    assert sum(point.mass for point in points) == pytest.approx(1.0)
    assert [point.rate for point in points] == sorted(point.rate for point in points)
    for name in ("heads", "evidence", "vote"):
        mean = sum(point.mass * getattr(point, name) for point in points)
        assert mean == pytest.approx(averaged.mean(name), abs=1e-6)
    right = sum(point.mass * expit(point.log_odds(labels)) for point in points)
    np.testing.assert_allclose(right, averaged.label_right(labels), atol=0.02)


def test_the_log_odds_of_a_point_by_hand() -> None:
    labels = mixed_labels()
    point = GridPoint(0.7, 0.4, 0.2, 1.0)
    rows = [labels.take(np.array([k])) for k in range(len(labels))]
    expected = [
        float(0.7 * row.heads[0] + 0.4 * row.evidence[0])
        + np.subtract(*np.log(naive_votes([c[0] for c in row.columns()], 0.2)))
        for row in rows
    ]
    np.testing.assert_allclose(point.log_odds(labels), expected)
    # Without its own vote a single label says what its margins say.
    single = replace(labels, votes=np.ones(len(labels)), count=np.ones(len(labels)))
    alone = point.log_odds(single) - point.label_log_odds(single)
    np.testing.assert_allclose(alone, 0.7 * labels.heads + 0.4 * labels.evidence)
