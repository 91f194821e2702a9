from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.models.heads.folds import group_folds
from curate.models.heads.modules import HeadSpec
from curate.models.heads.out_of_fold import fold_weights, train_out_of_fold, trainable_mask
from tests.helpers import pairs_of, simulate

SPEC = HeadSpec(steps=60)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=60), st.integers(2, 6), st.integers(0, 99))
def test_no_group_is_on_both_sides(groups: list[int], folds: int, seed: int) -> None:
    values = np.array(groups)
    assigned = group_folds(values, folds, seed)
    for group in np.unique(values):
        assert len(np.unique(assigned[values == group])) == 1
    if len(np.unique(values)) > 1:
        assert len(np.unique(assigned)) == min(folds, len(np.unique(values)))


def test_the_head_that_scores_a_pair_never_trains_on_its_prompt() -> None:
    sim = simulate(200)
    scorer_of, weights = fold_weights(sim.pairs, sim.context, repeats=3, folds=4)
    groups = sim.context.prompt_groups(sim.pairs)
    for repeat in range(3):
        for row in range(200):
            head = int(scorer_of[row, repeat])
            assert head // 4 == repeat
            is_trained_on = weights[:, head].numpy() > 0
            assert not (is_trained_on & (groups == groups[row])).any()
            assert is_trained_on.sum() > 100


def test_held_out_margins_do_not_depend_on_the_pairs_own_label() -> None:
    """Flipping one pair's label negates its margin and changes nothing else of it."""
    sim = simulate(120, seed=3)
    before = train_out_of_fold(sim.pairs, sim.context, SPEC, 2, 3).margins()
    flipped = sim.context.features.flipped(np.arange(120) == 5)
    after = train_out_of_fold(
        sim.pairs, sim.context.for_pairs(sim.pairs, flipped), SPEC, 2, 3
    ).margins()
    np.testing.assert_allclose(after[5], -before[5], rtol=1e-4)
    assert not np.allclose(after[6:], before[6:], rtol=1e-4)


def test_training_is_shared_and_repeatable() -> None:
    sim, again = simulate(100), simulate(100)
    first = train_out_of_fold(sim.pairs, sim.context, SPEC, 2, 3)
    assert train_out_of_fold(sim.pairs, sim.context, SPEC, 2, 3) is first
    second = train_out_of_fold(again.pairs, again.context, SPEC, 2, 3)
    assert np.array_equal(first.margins(), second.margins())


def test_ties_and_identical_answers_do_not_train() -> None:
    pairs = pairs_of(
        [
            {"prompt": "p", "chosen": "a", "rejected": "b"},
            {"prompt": "p", "chosen": "a", "rejected": "b", "is_tie": True},
            {"prompt": "p", "chosen": "a", "rejected": "a"},
        ]
    )
    assert trainable_mask(pairs).tolist() == [True, False, False]


def test_held_out_margins_follow_the_true_margin() -> None:
    sim = simulate(800, flips=0.0)
    margins = train_out_of_fold(sim.pairs, sim.context, HeadSpec(), 4, 5).margins().mean(1)
    assert np.corrcoef(margins, sim.margin)[0, 1] > 0.97
    assert torch.isfinite(torch.from_numpy(margins)).all()
