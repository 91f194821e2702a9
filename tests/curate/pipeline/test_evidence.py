"""Evidence of labels: what may be named, in which order scorers run, what they are given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from curate import Cache, CurateError, Pairs, Pipeline
from curate.data.file_margins import extra_keys
from curate.pipeline.config import PipelineConfig, parse_config
from curate.pipeline.engines.local import LocalEngine
from curate.pipeline.plan import make_plan
from curate.pipeline.run_evidence import FileEvidence, file_evidence
from curate.pipeline.score_cache import ScoreCache
from curate.pipeline.scorer_step import ScorerStep, with_evidence
from curate.pipeline.scoring import PairScorer
from curate.scorers.lengths import Lengths
from curate.steps.context import Context
from curate.steps.contracts import Column, EvidenceUse, Parameters, Scorer
from curate.steps.entries import scorer_names
from curate.steps.evidence import LabelEvidence
from curate.steps.evidence_params import EvidenceParameters
from curate.steps.registry import scorer_class
from curate.steps.relabel import flip_labels
from curate.store.store import Store
from tests.helpers import numbered_pairs, pairs_of

FROM_LABELS = {
    "context", "duplicates", "feature_reward", "knn_consensus", "knn_shapley", "tournament",
}  # fmt: skip
"""Scorers without heads that learn from, or count, the labels of other pairs."""


class Judge(Scorer[Parameters]):
    """A margin that is known: the number in the chosen answer, less ten."""

    name = "judging"
    summary = "for tests"
    Params = Parameters
    evidence: EvidenceUse = "auto"

    def columns(self) -> tuple[Column, ...]:
        return (Column("margin", "of a judge", evidence=self.evidence), Column("words", "a count"))

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        margin = np.arange(len(pairs)) - 10.0
        margin[3] = np.inf
        return pl.DataFrame({"margin": margin, "words": margin})


class Fuse(Scorer[EvidenceParameters]):
    """Keeps the evidence that it is given."""

    name = "fusing"
    summary = "for tests"
    cache = Cache.WHOLE
    Params = EvidenceParameters
    received: list[LabelEvidence]

    def columns(self) -> tuple[Column, ...]:
        return (Column("posterior", "of the label", evidence="auto"),)

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        self.received.append(context.evidence)
        return pl.DataFrame({"posterior": np.full(len(pairs), 0.5)})


def fuse(name: str = "fuse", **parameters: Any) -> ScorerStep:
    scorer = Fuse(**parameters)
    scorer.received = []
    return ScorerStep(name, scorer)


def planned(*steps: ScorerStep) -> tuple[ScorerStep, ...]:
    return with_evidence([(f"scorers.{i}", step) for i, step in enumerate(steps)])


def order_of(config: list[dict[str, Any]]) -> list[str]:
    return [step.name for step in make_plan(parse_config({"scorers": config})).scorers]


def evidence_of(step: ScorerStep) -> list[str]:
    return [item.column for item in step.evidence]


def test_a_scorer_runs_after_those_whose_columns_it_reads() -> None:
    config: list[dict[str, Any]] = [
        {"type": "label_em", "evidence": ["relevance.margin"]},
        {"type": "lengths"},
        {"type": "noise_score"},
        {"type": "relevance"},
    ]
    assert order_of(config) == ["lengths", "relevance", "label_em", "noise_score"]
    # Without evidence of other scorers the order of the configuration stays.
    config[0]["evidence"], config[2]["evidence"] = [], []
    assert order_of(config) == ["label_em", "lengths", "noise_score", "relevance"]


def test_auto_takes_margins_that_were_not_learned_from_the_labels() -> None:
    learned = [{"type": t} for t in ("reward_margin", "feature_reward", "crm", "label_em")]
    config = [{"type": "noise_score"}, {"type": "relevance", "name": "r.1"}, *learned]
    plan = make_plan(parse_config({"scorers": config}))
    by_name = {step.name: step for step in plan.scorers}
    assert evidence_of(by_name["noise_score"]) == ["r.1.margin"]
    assert by_name["noise_score"].file_scores
    # One that fuses evidence itself is no further source, not even of another such scorer.
    assert evidence_of(planned(fuse("one"), fuse("two"))[1]) == []


def test_scorers_that_depend_on_labels_declare_no_evidence() -> None:
    for name in scorer_names():
        cls = scorer_class(name)
        if cls.learned or name in FROM_LABELS:
            assert cls.learned or cls.from_labels, name
            fields = cls.Params.model_fields.values()
            if not any(field.is_required() for field in fields):
                assert {c.evidence for c in cls().columns()} == {"none"}, name


@pytest.mark.parametrize(
    "column",
    ["reward_margin.margin", "label_em.posterior", "mc_dropout.probability", "crm.loss_mean",
     "confident_learning.quality", "feature_reward.margin", "knn_consensus.consensus",
     "multi_reward.margin", "duplicates.copies"],
)  # fmt: skip
def test_what_was_learned_from_the_labels_is_refused(column: str) -> None:
    name = column.partition(".")[0]
    parameters = {"rewards": {"length": {"trait": "length"}}} if name == "multi_reward" else {}
    config = [{"type": "noise_score", "evidence": [column]}, {"type": name} | parameters]
    with pytest.raises(CurateError, match="learned from the labels") as caught:
        make_plan(parse_config({"scorers": config}))
    assert column in str(caught.value.found)
    assert "score_gap" in str(caught.value.expected)


def test_given_weights_make_several_rewards_evidence() -> None:
    rewards = {"rewards": {"length": {"trait": "length"}}, "weights": {"length": 1.0}}
    config = [{"type": "noise_score"}, {"type": "multi_reward"} | rewards]
    plan = make_plan(parse_config({"scorers": config}))
    assert evidence_of(plan.scorers[1]) == ["multi_reward.margin"]


@pytest.mark.parametrize(
    ("column", "problem", "hint"),
    [
        ("relevance.margn", "unknown column", "did you mean 'relevance.margin'?"),
        ("judge.margin", "unknown column", "add the scorer 'judge' under scorers"),
        ("chosen_score", "unknown column", "extra.x"),
        ("annotator", "unknown column", "score_gap"),
        ("relevance.chosen", "not a preference margin", "relevance.margin"),
        ("noise_score.score", "its own column", "relevance.margin"),
    ],
)
def test_a_wrong_name_is_refused_before_any_row_is_read(
    column: str, problem: str, hint: str
) -> None:
    config = [{"type": "noise_score", "evidence": [column]}, {"type": "relevance"}]
    with pytest.raises(CurateError, match=problem) as caught:
        Pipeline({"input": {"path": "no-such-file.jsonl"}, "scorers": config})
    assert hint in str(caught.value)
    assert "scorers.0.evidence.0" in str(caught.value.where)


def test_a_source_named_twice_is_refused() -> None:
    config = [{"type": "noise_score", "evidence": ["strength", "strength"]}]
    with pytest.raises(CurateError, match="duplicate evidence"):
        make_plan(parse_config({"scorers": config}))


def test_a_circle_is_refused_with_its_names() -> None:
    steps = [fuse(n, evidence=[f"{o}.posterior"]) for n, o in (("a", "b"), ("b", "c"), ("c", "a"))]
    with pytest.raises(CurateError, match="circular") as caught:
        planned(ScorerStep("lengths", Lengths()), *steps)
    assert caught.value.found == "a -> b -> c -> a"


def test_a_scorer_is_given_the_margins_of_those_before_it() -> None:
    pairs = numbered_pairs(20)
    step = fuse(evidence=[{"column": "judge.margin", "trust": "strong"}])
    scorers = planned(step, ScorerStep("judge", Judge()))
    evidence, config = LabelEvidence(verdicts=np.ones(20, dtype=np.int8)), PipelineConfig()
    context = Context(evidence=evidence)
    cache = ScoreCache(None, Pairs(pairs), config)
    list(PairScorer(pairs, context, cache, LocalEngine()).score_all(scorers))
    (evidence,) = step.scorer.received  # type: ignore[attr-defined]
    (source,) = evidence.sources
    assert (source.name, source.trust) == ("judge.margin", "strong")
    np.testing.assert_array_equal(np.delete(source.margin, 3), np.delete(np.arange(20) - 10.0, 3))
    assert np.isnan(source.margin[3])
    assert evidence.verdicts is context.evidence.verdicts


def columns_of(*scorers: dict[str, Any]) -> list[str]:
    """Columns of evidence of the first scorer, in a pipeline of these scorers."""
    plan = make_plan(parse_config({"scorers": list(scorers)}))
    step = next(step for step in plan.scorers if step.name == scorers[0]["type"])
    return [c.name for c in step.columns() if "evidence" in c.name]


@pytest.mark.parametrize("kind", ["noise_score", "label_em"])
def test_each_of_several_sources_has_a_column(kind: str) -> None:
    alone = [f"{kind}.evidence"]
    assert columns_of({"type": kind}) == alone
    assert columns_of({"type": kind, "evidence": ["strength"]}) == alone
    names = ["extra.a - extra.b", "extra.a.b", "extra.a_b"]
    assert columns_of({"type": kind, "evidence": names}) == [
        *alone,
        f"{kind}.evidence_extra_a_extra_b",
        f"{kind}.evidence_extra_a_b",
        f"{kind}.evidence_extra_a_b_2",
    ]
    assert columns_of({"type": kind}, {"type": "relevance", "name": "r.1"}) == [
        *alone,
        f"{kind}.evidence_r_1_margin",
        f"{kind}.evidence_file",
    ]


@pytest.mark.parametrize("kind", ["noise_score", "label_em"])
def test_what_sources_say_adds_up_to_the_evidence(kind: str) -> None:
    rng = np.random.default_rng(0)
    rows = [
        {"prompt": f"p{i}", "chosen": f"a{i}", "rejected": f"b{i}", "extra": json.dumps(numbers)}
        for i, numbers in enumerate({"x": x, "y": y, "z": 0} for x, y in rng.normal(1, 1, (80, 2)))
    ]
    scorer = {"type": kind, "evidence": ["extra.x", "extra.z", "extra.y"]}
    config = {"embedder": {"name": "static"}, "scorers": [scorer]}
    scores = Pipeline(config).run(Pairs(pairs_of(rows))).scores
    parts = [scores[f"{kind}.evidence_extra_{key}"].to_numpy() for key in "xyz"]
    assert min(np.abs(part).max() for part in parts[:2]) > 0.0
    assert not parts[2].any()
    np.testing.assert_allclose(sum(parts), scores[f"{kind}.evidence"].to_numpy(), atol=1e-5)


def test_a_source_that_says_nothing_is_left_out_with_a_warning() -> None:
    pairs = numbered_pairs(4).with_columns(strength=pl.lit(0.0, dtype=pl.Float32))
    step = fuse(evidence=["strength"])
    cache = ScoreCache(None, Pairs(pairs), PipelineConfig())
    scorers = planned(step)
    file = file_evidence(scorers, pairs)
    ((_, record),) = PairScorer(pairs, Context(), cache, LocalEngine()).score_all(scorers, file)
    assert step.scorer.received[0].sources == ()  # type: ignore[attr-defined]
    assert "strength is 0 or missing in every pair" in record.warnings[0]


def test_scores_are_kept_until_the_evidence_changes(tmp_path: Path) -> None:
    pairs = numbered_pairs(8)
    calls = []

    def run(margin: float, trust: str = "unknown", verdict: int | None = None) -> None:
        step = fuse(evidence=[{"column": "extra.m", "trust": trust}])
        file = FileEvidence({"extra.m": np.full(8, margin)})
        verdicts = None if verdict is None else np.full(8, verdict, dtype=np.int8)
        context = Context(store=Store(tmp_path), evidence=LabelEvidence(verdicts=verdicts))
        cache = ScoreCache(context.store, Pairs(pairs), PipelineConfig())
        list(PairScorer(pairs, context, cache, LocalEngine()).score_all(planned(step), file))
        calls.append(len(step.scorer.received))  # type: ignore[attr-defined]

    run(1.0)
    run(1.0)
    run(2.0)
    run(1.0, trust="strong")
    run(1.0, verdict=1)
    run(1.0, verdict=-1)
    run(1.0, verdict=1)
    assert calls == [1, 0, 1, 1, 1, 1, 0]


def scored_rows(gaps: list[float], **names: str) -> pl.DataFrame:
    first, second = names.get("first", "score_chosen"), names.get("second", "score_rejected")
    rows = [
        {
            "prompt": f"p{i}",
            "chosen": f"c{i}",
            "rejected": f"r{i}",
            "extra": json.dumps({first: gap, second: 1.0, "judge": {"margin": gap}}),
            "strength": gap - 1.0,
        }
        for i, gap in enumerate(gaps)
    ]
    return pairs_of(rows)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("score_gap", [2.0, -1.0]),
        ("strength", [2.0, -1.0]),
        ("extra.judge.margin", [3.0, 0.0]),
        ("extra.score_rejected - extra.score_chosen", [-2.0, 1.0]),
    ],
)
def test_margins_of_the_file(column: str, expected: list[float]) -> None:
    evidence = file_evidence(planned(fuse(evidence=[column])), scored_rows([3.0, 0.0]))
    np.testing.assert_allclose(evidence.margins[column], expected)


def test_auto_takes_scores_of_the_file_that_contradict_some_labels() -> None:
    steps = planned(fuse())
    assert file_evidence(steps, scored_rows([3.0, 0.0])).scores == ("score_gap",)
    # The labels may have been made from scores that always agree: no evidence of them.
    assert file_evidence(steps, scored_rows([3.0, 2.0])).scores == ()
    without = scored_rows([3.0, 0.0]).with_columns(extra=pl.lit(None, dtype=pl.String))
    assert file_evidence(steps, without).scores == ("strength",)
    assert file_evidence(steps, numbered_pairs(3)).scores == ()


def test_scores_of_a_label_that_was_flipped_since_are_turned() -> None:
    pairs = scored_rows([3.0, 0.0])
    marked = pl.col("extra").str.replace("}}", '},"flipped":true}', literal=True)
    evidence = file_evidence(planned(fuse(evidence=["score_gap"])), pairs.with_columns(marked))
    np.testing.assert_allclose(evidence.margins["score_gap"], [-2.0, 1.0])


def test_scores_that_made_the_labels_are_no_evidence_of_flipped_ones() -> None:
    steps, pairs = planned(fuse()), scored_rows([3.0, 2.0, 4.0])
    flipped = pairs.with_columns(flip_labels(pairs, pl.Series([True, False, False])))
    assert flipped["strength"].to_list() == [-2.0, 1.0, 3.0]
    assert file_evidence(steps, flipped).scores == ()
    strength_alone = flipped.with_columns(extra=pl.lit('{"flipped":true}'))
    only_first = pl.when(pl.int_range(pl.len()) == 0).then("extra")
    assert file_evidence(steps, strength_alone.with_columns(extra=only_first)).scores == ()


def test_named_scores_that_always_agree_are_taken_with_a_note() -> None:
    evidence = file_evidence(planned(fuse(evidence=["score_gap"])), scored_rows([3.0, 2.0]))
    assert "agrees with (nearly) all labels" in evidence.notes[0]


@pytest.mark.parametrize(
    ("column", "hint"),
    [("extra.judge.margni", "did you mean 'extra.judge.margin'?"), ("extra.b", "valid: extra.")],
)
def test_an_unknown_key_is_refused_at_the_first_rows(column: str, hint: str) -> None:
    with pytest.raises(CurateError, match="no pair has a numeric value") as caught:
        file_evidence(planned(fuse(evidence=[column])), scored_rows([1.0]))
    assert hint in str(caught.value.fix)
    with pytest.raises(CurateError, match="no pair has a numeric value"):
        file_evidence(planned(fuse(evidence=["score_gap"])), numbered_pairs(3))


def test_keys_of_extra() -> None:
    assert extra_keys("extra.chosen-rating - extra.rejected-rating") == (
        "chosen-rating",
        "rejected-rating",
    )
    assert extra_keys("extras.a") is None
    assert extra_keys("extra.a + extra.b") is None
