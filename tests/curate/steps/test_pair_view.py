"""What a step asks of some pairs is of these pairs, whatever was computed of others before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from curate import Filter, FilterResult, Parameters, same_reason
from curate.models.heads.out_of_fold import HeadSpec, answer_features, train_out_of_fold
from curate.models.heads.partitions import pair_partitions
from curate.models.heads.posterior.label_posterior import label_posterior
from curate.models.heads.ridge.margins import held_out_margins
from curate.pipeline.config import parse_config
from curate.pipeline.filtering import run_filters
from curate.pipeline.plan import FilterStep, make_plan
from curate.steps.context import Context
from curate.steps.evidence import LabelEvidence
from curate.steps.features import Features
from tests.helpers import Simulation, simulate, swapped
from tests.workers import PickledWorkers

ALL, SOME = 750, 100
Question = Callable[[pl.DataFrame, Context], np.ndarray]


def margins(pairs: pl.DataFrame, context: Context) -> np.ndarray:
    return held_out_margins(pairs, context).margin


def trained(pairs: pl.DataFrame, context: Context) -> np.ndarray:
    return train_out_of_fold(pairs, context, HeadSpec(), 2, 3).margins()


def answers(pairs: pl.DataFrame, context: Context) -> np.ndarray:
    chosen, rejected = answer_features(pairs, context, "both")
    return np.hstack([chosen[:].numpy(), rejected[:].numpy()])


def partitioned(pairs: pl.DataFrame, context: Context) -> np.ndarray:
    partitions = pair_partitions(pairs, replace(context, workers=PickledWorkers()))
    return partitions.joined(partitions.workers.map(np.square, partitions.differences))


def embedded(pairs: pl.DataFrame, context: Context) -> np.ndarray:
    return context.view(pairs).features.directions()


def posterior(pairs: pl.DataFrame, context: Context) -> np.ndarray:
    return label_posterior(pairs, context).right


NO_FLIPS = np.zeros(ALL, dtype=bool)
FEWER: list[dict[str, Any]] = [
    {"type": "sample", "rows": SOME},
    {"type": "per_group", "by": "prompt", "keep": 1},
]
QUESTIONS = [margins, trained, answers, partitioned, embedded, posterior]


class Asking(Filter[Parameters]):
    """Keeps all pairs, and asks a question of those that reach it."""

    name, summary, Params = "asking", "asks", Parameters

    def __init__(self, question: Question, *columns: str) -> None:
        super().__init__()
        self.question, self.columns = question, columns

    def reads(self) -> tuple[str, ...]:
        return self.columns

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        self.pairs, self.answer = pairs, self.question(pairs, context)
        return same_reason(pl.repeat(True, len(pairs), eager=True), "kept")


def apply_after(sim: Simulation, context: Context, fewer: dict[str, Any], asking: Asking) -> None:
    """Apply a filter that leaves fewer pairs, then one that asks of these."""
    plan = make_plan(parse_config({"filters": [fewer]}))
    plan = replace(plan, filters=(*plan.filters, FilterStep("asking", asking)))
    run_filters(plan, sim.pairs, context)


def with_verdicts(context: Context, rows: np.ndarray, signs: np.ndarray) -> Context:
    verdicts = np.zeros(ALL, dtype=np.int8)
    verdicts[::9] = 1
    return replace(context, evidence=LabelEvidence(verdicts=(verdicts * signs)[rows]))


def context_of_these(sim: Simulation, pairs: pl.DataFrame, flips: np.ndarray) -> Context:
    """A context of these pairs alone, as a run on them would have it."""
    is_there = sim.pairs["pair_id"].is_in(pairs["pair_id"].implode()).to_numpy()
    features = sim.context.features.flipped(flips)
    index = {part: rows[is_there] for part, rows in features.index.items()}
    context = Context().for_pairs(pairs, Features(features.vectors, features.style, index))
    return with_verdicts(context, is_there, np.where(flips, -1, 1).astype(np.int8))


@pytest.fixture
def sim() -> Simulation:
    return simulate(ALL)


@pytest.fixture
def context(sim: Simulation) -> Context:
    return with_verdicts(sim.context, np.arange(ALL), np.ones(ALL, dtype=np.int8))


@pytest.mark.parametrize("fewer", FEWER, ids=lambda step: step["type"])
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_filter_that_asks_of_fewer_pairs_gets_theirs(
    sim: Simulation, context: Context, question: Question, fewer: dict[str, Any]
) -> None:
    assert len(question(sim.pairs, context)) == ALL
    asking = Asking(question, "prompt", "chosen", "rejected")
    apply_after(sim, context, fewer, asking)
    assert len(asking.pairs) == len(asking.answer) < ALL
    expected = question(asking.pairs, context_of_these(sim, asking.pairs, NO_FLIPS))
    np.testing.assert_array_equal(asking.answer, expected)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_part_of_a_steps_pairs_is_asked_of_by_itself(
    sim: Simulation, context: Context, question: Question
) -> None:
    question(sim.pairs, context)
    for part in (sim.pairs[:SOME], sim.pairs[SOME : 2 * SOME]):
        answer = question(part, context)
        assert len(answer) == SOME
        expected = question(part, context_of_these(sim, part, NO_FLIPS))
        np.testing.assert_array_equal(answer, expected)


@pytest.mark.parametrize("question", QUESTIONS)
def test_labels_that_an_earlier_filter_flipped_count_as_flipped(
    sim: Simulation, context: Context, question: Question
) -> None:
    question(sim.pairs, context)
    flips = np.arange(ALL) % 3 == 0
    turned = pl.concat([sim.pairs, swapped(sim.pairs)])[np.arange(ALL) + ALL * flips]
    expected = question(turned, context_of_these(sim, turned, flips))
    bound = context.for_step().on_pairs(turned)
    np.testing.assert_array_equal(question(turned, bound), expected)


def test_features_are_of_the_steps_pairs_where_a_filter_reads_no_texts(sim: Simulation) -> None:
    asking = Asking(lambda pairs, context: context.features.of("chosen"))
    apply_after(sim, sim.context, FEWER[0], asking)
    rows = np.flatnonzero(sim.pairs["pair_id"].is_in(asking.pairs["pair_id"].implode()))
    assert len(rows) == SOME
    np.testing.assert_array_equal(asking.answer, sim.context.features.of("chosen", rows))


def test_other_pairs_than_those_of_the_run_have_no_features(sim: Simulation) -> None:
    for other in (
        sim.pairs.with_columns(pair_id=pl.col("pair_id") + "?"),
        sim.pairs.with_columns(chosen=sim.pairs["chosen"].reverse()),
    ):
        with pytest.raises(RuntimeError, match="not those of the run"):
            held_out_margins(other, sim.context)


def test_what_is_cached_of_some_pairs_is_made_once(sim: Simulation) -> None:
    part = sim.pairs[:SOME]
    assert held_out_margins(part, sim.context) is held_out_margins(part, sim.context)
    assert sim.context.view(part).cached("x", list) is sim.context.view(part).cached("x", list)
    assert sim.context.view(part).cached("x", list) is not sim.context.view(sim.pairs).cached(
        "x", list
    )


def test_old_plug_ins_find_what_they_cached_by_name(sim: Simulation) -> None:
    step = sim.context.for_step()
    with pytest.warns(DeprecationWarning, match=r"view\(pairs\)\.cached"):
        value = step.shared("x", lambda: [1])  # type: ignore[attr-defined]
    assert step.view(sim.pairs).cached("x", list) is value
    with pytest.warns(DeprecationWarning, match="is now called"):
        assert step.on_pairs(sim.pairs[:3]).shared("x", list) == []  # type: ignore[attr-defined]
    with pytest.warns(DeprecationWarning, match="is now called"):
        other = step.of_pairs("x", sim.pairs[:3], lambda: [2])  # type: ignore[attr-defined]
    assert other == [2]
