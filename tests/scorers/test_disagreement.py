from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from curate.data.table import with_pair_ids
from curate.models.heads.folds import group_folds
from curate.models.heads.general_heads import train_general
from curate.models.heads.held_out_values import gather_held_out_values
from curate.models.heads.out_of_fold import answer_features, vote_mask
from curate.models.people.preference_groups import AnnotatorVotes, fit_groups
from curate.scorers.disagreement import CYCLE, FLIP, SHARED, TASTE, Disagreement
from curate.scorers.disagreement.split_margins import mean_answer, reward_component
from curate.steps.context import Context
from tests.benchmarks.disagreement import mixed
from tests.helpers import simulate
from tests.scorers.research.test_general_preference import cycle


@pytest.mark.slow
def test_flips_tastes_and_cycles_are_told_apart() -> None:
    sim = mixed(1600, annotators=32, dim=8, seed=7)
    scores = Disagreement(repeats=2, max_groups=3).score(sim.pairs, sim.context)
    kinds = scores["kind"].to_numpy()
    assert (kinds == sim.truth).mean() > 0.8
    assert sim.context.facts["groups"] == 2
    for kind in (TASTE, CYCLE, FLIP):
        assert (kinds[sim.truth == kind] == kind).mean() > 0.65, kind
    parts = scores["reward"] + scores["cycle"]
    np.testing.assert_allclose(parts.to_numpy(), scores["margin"].to_numpy(), atol=1e-9)


def test_one_taste_without_cycles_is_shared_or_flipped() -> None:
    sim = simulate(900, flips=0.2)
    scores = Disagreement(repeats=1).score(sim.pairs, sim.context)
    assert set(scores["kind"].unique()) <= {SHARED, FLIP}
    assert scores["cycle"].abs().max() == 0
    assert scores["others"].null_count() == len(scores)
    flagged = (scores["kind"] == FLIP).to_numpy()
    assert flagged[sim.flipped].mean() > flagged[~sim.flipped].mean() + 0.4
    assert any("taste" in warning for warning in sim.context.warnings)


@pytest.mark.slow
def test_a_cycle_has_little_reward() -> None:
    sim = cycle()
    scores = Disagreement(repeats=1).score(sim.pairs, sim.context)
    assert (scores["kind"] == CYCLE).mean() > 0.95


def test_the_parts_are_those_of_the_skew_matrix() -> None:
    """Against s written out as a matrix: curl = (c - m)' A (r - m) of the lifted vectors."""
    sim = cycle(60, seed=3)
    chosen, rejected = answer_features(sim.pairs, sim.context, "embedding")
    voting = vote_mask(sim.pairs, sim.context)
    folds = group_folds(sim.context.prompt_groups(sim.pairs), 3, 0)
    prompt = sim.context.prompt_groups(sim.pairs)
    member_votes = AnnotatorVotes(chosen, rejected, np.where(voting, 0, -1), folds, prompt)
    groups = fit_groups(member_votes, 1, lambda w: train_general(chosen, rejected, w, 0), 0)
    weight = groups.heads.weight.detach().double()  # type: ignore[union-attr]
    mean = mean_answer(chosen, rejected).double()[0]
    margins = gather_held_out_values(groups.heads.margins, chosen, rejected, groups.head_of)[:, 0]
    curl = margins - reward_component(member_votes, groups)[:, 0]
    for i in range(0, 60, 7):
        w = weight[groups.head_of[i, 0]]
        skew = w[:, 1::2] @ w[:, ::2].T
        skew = skew - skew.T
        c, r = (
            torch.cat([side[i : i + 1].double()[0] - mean, torch.zeros(1)])
            for side in (chosen, rejected)
        )
        assert abs(float(c @ skew @ r) - curl[i]) < 1e-4


@pytest.mark.slow
def test_ties_get_no_kind() -> None:
    sim = simulate(200)
    pairs = sim.pairs.with_columns(is_tie=pl.int_range(pl.len()) < 5)
    scores = Disagreement(repeats=1).score(pairs, sim.context)
    assert scores["kind"].head(5).null_count() == 5
    assert scores["status"].head(5).to_list() == ["tie"] * 5


@pytest.mark.slow
def test_people_who_agree_on_the_same_pairs_are_one_group() -> None:
    """Where little can be learned, smaller groups alone must not look better."""
    sim = simulate(200, dim=64, scale=2.0, flips=0.1, seed=4)
    one = sim.pairs.drop("annotator", "pair_id")
    votes_of = [
        one.with_columns(annotator=pl.lit(f"w{k}"), pair_id=pl.lit(None, pl.String))
        for k in range(3)
    ]
    pairs = with_pair_ids(pl.concat(votes_of).select(sim.pairs.columns))
    features = sim.context.features.take(np.tile(np.arange(200), 3))
    context = Context().for_pairs(pairs, features)
    scores = Disagreement(repeats=1).score(pairs, context)
    assert context.facts["groups"] == 1
    assert TASTE not in scores["kind"].to_list()
