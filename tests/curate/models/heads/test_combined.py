from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from curate.models.heads.combined import combined_margins, stack_weights
from curate.models.heads.nested import first_round, make_nested
from tests.helpers import simulate


def test_stack_weights_find_the_informative_member_with_many_labels() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(size=50_000) * 2
    sign = np.where(rng.random(true.size) < expit(true), 1.0, -1.0)
    members = np.column_stack([true / 2, rng.normal(size=true.size)]) * sign[:, None]
    weights = stack_weights(members, prior=100.0)
    assert weights == pytest.approx([2.0, 0.0], abs=0.1)


def test_stack_weights_stay_near_equal_with_few_labels() -> None:
    rng = np.random.default_rng(0)
    members = rng.normal(size=(30, 3)) + 0.3
    weights = stack_weights(members, prior=1000.0)
    np.testing.assert_allclose(weights, weights.mean(), rtol=0.1)
    assert weights.sum() >= 0.25


def test_nested_heads_leave_out_both_folds() -> None:
    """The margin for an outer fold does not change with the labels in it."""
    one, two = simulate(150, seed=1), simulate(150, seed=1)
    folds = make_nested(one.pairs, one.context, 2, 3)
    outer = folds.assigned[:, 0] == 0
    features = two.context.features.flipped(outer)
    two.context._shared["features"] = features
    before = first_round(one.context, folds, "embedding", 10.0)
    after = first_round(two.context, folds, "embedding", 10.0)
    others = ~outer
    np.testing.assert_allclose(
        after.nested[others, 0, 0], before.nested[others, 0, 0], rtol=1e-4, atol=1e-6
    )
    assert not np.allclose(after.nested[others, 0, 1], before.nested[others, 0, 1], rtol=1e-3)


def test_the_nested_margin_at_the_own_fold_is_the_held_out_one() -> None:
    sim = simulate(100)
    folds = make_nested(sim.pairs, sim.context, 3, 4)
    found = first_round(sim.context, folds, "embedding", 10.0)
    own = [[found.nested[i, k, folds.assigned[i, k]] for k in range(3)] for i in range(100)]
    np.testing.assert_allclose(found.held_out, np.mean(own, axis=1))


@pytest.mark.slow
def test_combined_margins_find_flips_and_are_repeatable() -> None:
    sim, again = simulate(800, flips=0.3), simulate(800, flips=0.3)
    found = combined_margins(sim.pairs, sim.context)
    assert roc_auc_score(sim.flipped, -found.margin) > 0.75
    assert len(found.weights) == 6
    assert (found.weights >= 0).all()
    np.testing.assert_array_equal(found.margin, combined_margins(again.pairs, again.context).margin)
    assert combined_margins(sim.pairs, sim.context) is found
    assert torch.isfinite(torch.from_numpy(found.plain)).all()
