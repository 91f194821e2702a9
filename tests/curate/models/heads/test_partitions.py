"""Heads from partitions of the pairs: the same to the last digit wherever these lie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from curate.models.heads.held_out_values import gather_held_out_values
from curate.models.heads.out_of_fold import (
    HeadSpec,
    answer_features,
    fold_weights,
    train_heads,
    train_out_of_fold,
)
from curate.models.heads.partitions import PairPartitions, pair_partitions
from curate.models.heads.prompt_order import PromptOrder
from curate.models.heads.ridge.margins import held_out_margins
from curate.steps.context import Context
from curate.steps.declarations import Scope
from curate.steps.registry import scorer_class
from tests.helpers import Simulation, numbered_pairs, simulate
from tests.workers import PickledWorkers

COUNT = 4000
SCORERS = (
    *("reward_margin", "donod", "confident_learning", "uncertainty", "mc_dropout"),
    *("noise_score", "label_em"),
)


@pytest.fixture(scope="module")
def sim() -> Simulation:
    return simulate(COUNT, dim=40)


def with_workers(sim: Simulation) -> Context:
    context = replace(sim.context, workers=PickledWorkers())
    return context.for_pairs(sim.pairs, sim.context.features)


def without_workers(sim: Simulation) -> Context:
    return sim.context.for_pairs(sim.pairs, sim.context.features)


def test_all_pairs_of_a_prompt_lie_in_one_part(sim: Simulation) -> None:
    parts = pair_partitions(sim.pairs, with_workers(sim))
    assert len(parts.ranges) == 4
    rows = [parts.order.rows[r] for r in parts.ranges]
    assert sorted(np.concatenate(rows).tolist()) == list(range(COUNT))
    prompts = sim.context.prompt_groups(sim.pairs)
    prompt_sets = [set(prompts[r].tolist()) for r in rows]
    assert sum(map(len, prompt_sets)) == len(set.union(*prompt_sets))


def test_a_prompt_of_many_pairs_is_not_cut() -> None:
    pairs = numbered_pairs(300, prompts=3)
    order = PromptOrder.of(pairs["pair_id"], pl.Series(Context().prompt_groups(pairs)))
    assert [cut.stop - cut.start for cut in order.cuts(10)] == [100, 100, 100]


def test_what_is_split_is_joined_again(sim: Simulation) -> None:
    parts: PairPartitions = pair_partitions(sim.pairs, with_workers(sim))
    values = np.arange(COUNT, dtype=np.float64)
    np.testing.assert_array_equal(parts.joined(parts.split(values)), values)


@pytest.mark.parametrize("kind", ["embedding", "both", "length"])
def test_solved_heads_are_those_of_one_machine(sim: Simulation, kind: str) -> None:
    margins = []
    for context in (without_workers(sim), with_workers(sim)):
        trained = train_out_of_fold(sim.pairs, context, HeadSpec(), 2, 3, kind)  # type: ignore[arg-type]
        margins.append(trained.margins())
    np.testing.assert_array_equal(*margins)
    # Heads that are solved from all rows at once round otherwise, and no more.
    context = without_workers(sim)
    answers = answer_features(sim.pairs, context, kind)  # type: ignore[arg-type]
    scorer_of, weights = fold_weights(sim.pairs, context, 2, 3)
    heads = train_heads(*answers, weights, HeadSpec(), 0)
    together = gather_held_out_values(heads.margins, *answers, scorer_of)
    np.testing.assert_allclose(margins[0], together, atol=2e-3 * np.abs(together).max())


@pytest.mark.parametrize("style", [True, False])
def test_held_out_margins_are_those_of_one_machine(sim: Simulation, style: bool) -> None:
    local_result = held_out_margins(sim.pairs, without_workers(sim), style)
    there = held_out_margins(sim.pairs, with_workers(sim), style)
    np.testing.assert_array_equal(there.margin, local_result.margin)
    assert there.strengths == local_result.strengths


@pytest.mark.parametrize("name", SCORERS)
def test_scores_are_those_of_one_machine(sim: Simulation, name: str) -> None:
    scorer = scorer_class(name)()
    local_result = scorer.score(sim.pairs, without_workers(sim))
    context = with_workers(sim)
    assert_frame_equal(scorer.score(sim.pairs, context), local_result, check_exact=True)
    assert scorer.scope is Scope.PARTITIONED
    assert context.workers.calls > 0  # type: ignore[union-attr]


def test_the_number_of_threads_changes_no_digit(
    sim: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    margins = []
    for count in (1, 4):
        monkeypatch.setattr("curate.steps.workers.available_cores", lambda count=count: count)
        margins.append(held_out_margins(sim.pairs, without_workers(sim)).margin)
    np.testing.assert_array_equal(*margins)
