"""Row scorers: kept rows are taken, the others computed, whatever the engine's processes."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from curate import Cache, Pairs, Scope
from curate.pipeline.config import PipelineConfig
from curate.pipeline.engines.base import merge_facts
from curate.pipeline.engines.local import LocalEngine
from curate.pipeline.score_cache import ScoreCache
from curate.pipeline.scorer_step import ScorerStep
from curate.pipeline.scoring import PairScorer
from curate.scorers.repetition import Repetition
from curate.scorers.reward_margin import RewardMargin
from curate.steps.context import Context
from curate.steps.contracts import Column, Parameters, Scorer
from curate.store.store import Store
from tests.curate.plugin import Slow
from tests.helpers import context_of, numbered_pairs, swapped


class Counting(Scorer[Parameters]):
    """Counts what it is given; stops where it is told to."""

    name = "counting"
    summary = "for tests"
    scope = Scope.ROW
    cache = Cache.PER_ROW
    Params = Parameters
    scored_ids: list[str]
    stop_after: int = 10**9

    def columns(self) -> tuple[Column, ...]:
        return (
            Column("x", "a number"),
            Column("t", "a text", "text"),
            Column("status", "", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        if len(self.scored_ids) >= self.stop_after:
            raise KeyboardInterrupt
        self.scored_ids += pairs["pair_id"].to_list()
        number = pairs["pair_id"].str.slice(0, 6).str.to_integer(base=16) / 7
        x = pl.when(number % 2 < 1).then(number)
        return pairs.select(x=x, t=pl.lit('é"\n'), status=pl.lit("ok"))


def counted(
    pairs: pl.DataFrame, store: Store | None, stop_after: int = 10**9
) -> tuple[pl.DataFrame | None, list[str]]:
    scorer = Counting()
    scorer.scored_ids, scorer.stop_after = [], stop_after
    cache = ScoreCache(store, Pairs(pairs), PipelineConfig())
    try:
        scores = PairScorer(pairs, Context(store=store), cache).score(ScorerStep("c", scorer))[0]
    except KeyboardInterrupt:
        return None, scorer.scored_ids
    return scores, scorer.scored_ids


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curate.pipeline.scoring.ROW_BATCH", 8)


def test_one_more_row_costs_one_row(tmp_path: Path) -> None:
    pairs, store = numbered_pairs(50), Store(tmp_path)
    plain = counted(pairs, None)[0]
    first, scored_ids = counted(pairs, store)
    assert len(scored_ids) == 50
    again, scored_ids = counted(pairs, store)
    assert scored_ids == []
    more = pl.concat([pairs[:20], numbered_pairs(51)[50:], pairs[20:]])
    longer, scored_ids = counted(more, store)
    assert scored_ids == [more["pair_id"][20]]
    assert plain is not None
    assert first is not None
    assert longer is not None
    assert first.equals(plain)
    assert plain.equals(again)
    assert longer[:20].equals(plain[:20])
    assert longer[21:].equals(plain[20:])


def test_a_changed_row_is_another_row(tmp_path: Path) -> None:
    pairs, store = numbered_pairs(10), Store(tmp_path)
    counted(pairs, store)
    changed = pl.concat([swapped(pairs[:1]), pairs[1:]])
    assert counted(changed, store)[1] == [pairs["pair_id"][0]]


def test_a_run_that_is_stopped_goes_on_at_its_batch(tmp_path: Path) -> None:
    pairs, store = numbered_pairs(50), Store(tmp_path)
    stopped, scored_ids = counted(pairs, store, stop_after=24)
    assert (stopped, len(scored_ids)) == (None, 24)
    scores, remaining_ids = counted(pairs, store)
    assert remaining_ids == pairs["pair_id"].to_list()[24:]
    assert scores is not None
    plain = counted(pairs, None)[0]
    assert plain is not None
    assert scores.equals(plain)


@pytest.mark.slow
def test_processes_give_the_same_scores_and_facts(tmp_path: Path) -> None:
    pairs = numbered_pairs(60)
    step = ScorerStep("repetition", Repetition(n=2))
    local_result = PairScorer(pairs, Context()).score(step)[0]
    there = PairScorer(pairs, Context(), None, LocalEngine(2)).score(step)[0]
    assert there.equals(local_result)
    slow = ScorerStep("slow", Slow(folder=str(tmp_path)))
    report = PairScorer(pairs, Context(), None, LocalEngine(2)).score(slow)[1]
    assert report.facts == {"rows": 60}
    assert len(list(tmp_path.glob("*.pid"))) == 2


def test_facts_of_parts_add_up() -> None:
    facts = {"rows": 2, "models": {"m": {"tokens": 5, "name": "x"}}, "rate": 0.5, "whole": True}
    merge_facts(facts, {"rows": 3, "models": {"m": {"tokens": 1, "name": "y"}}, "whole": False})
    assert facts == {
        "rows": 5, "models": {"m": {"tokens": 6, "name": "y"}}, "rate": 0.5, "whole": False,
    }  # fmt: skip


def test_a_scorer_that_scores_no_pair_is_told() -> None:
    pairs = numbered_pairs(8)
    one = pairs.with_columns(prompt=pl.col("prompt").first())
    silent = ScorerStep("margin", RewardMargin())
    result, record = PairScorer(one, context_of(one, {}, 4)).score(silent)
    assert result["margin.margin"].null_count() == 8
    assert record.warnings == ("margin: no pair has a score: too few prompts (8)",)
    spoken = PairScorer(one, Context()).score(ScorerStep("r", Repetition()))[1]
    assert spoken.warnings == ()
