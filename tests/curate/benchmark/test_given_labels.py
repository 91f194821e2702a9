"""The labels as they are: gains shrink by 1 - 2 e and keep their sign, and judges undo that."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from curate import CurateError
from curate.benchmark.actions import ACTIONS, DEFAULT, pipeline_lines
from curate.benchmark.advice import Advice, advise
from curate.benchmark.condition import AS_LABELLED, Condition
from curate.benchmark.data import BenchData, held_out_mask, labels_as_given
from curate.benchmark.given_labels import label_truth, run_given_labels
from curate.benchmark.paired_gains import Rankings
from curate.benchmark.recipes import oriented_margins
from curate.benchmark.run import KEEP_ALL, SCHEMA, BenchPlan, Experiments
from curate.benchmark.summary import summarise_experiments
from curate.cli.app import app
from curate.pipeline.config import parse_config
from curate.pipeline.plan import make_plan
from curate.recipes import Recipe
from curate.steps.context import Context, SilentProgress
from tests.helpers import PANDALM_SAMPLE, simulate

FAST = BenchPlan(seeds=5, methods=(), actions=tuple(a for a in ACTIONS if a.name == "drop 20 %"))


def noisy(rate: float, count: int = 1200) -> tuple[BenchData, np.ndarray]:
    sim = simulate(count, flips=rate, seed=3, scale=6.0)
    return BenchData("simulated", sim.pairs, sim.context.features), sim.flipped


def test_five_seeds_test_every_prompt_once() -> None:
    groups = np.repeat(np.arange(40), 2)
    result = np.stack([held_out_mask(groups, seed) for seed in range(10)])
    assert (result[:5].sum(axis=0) == 1).all()
    assert (result[5:].sum(axis=0) == 1).all()
    assert not np.array_equal(result[0], result[5])


def experiments(data: BenchData) -> Experiments:
    truth, _ = label_truth(data, Context())
    return run_given_labels(data, FAST, SilentProgress(), truth)


def verdicts_on(data: BenchData, flipped: np.ndarray) -> pl.DataFrame:
    wrong = pl.Series(flipped)
    verdict = pl.when(wrong).then(pl.lit("flip")).otherwise(pl.lit("keep"))
    return data.pairs.select("pair_id").with_columns(verdict=verdict, reviewer=pl.lit("ann"))


def test_gains_are_those_on_clean_labels() -> None:
    data, flipped = noisy(0.3)
    given_data = labels_as_given("simulated", data.pairs, data.features)
    (tested,) = experiments(given_data).tested
    noisy_gain = tested.right[:, 1] - tested.right[:, 0]
    sign = np.where(flipped, -1.0, 1.0)
    true_gain = float((noisy_gain * sign[tested.rows]).mean())
    result = tested.gain("drop 20 %")
    assert true_gain > 0.01
    assert result.low <= true_gain <= result.high
    # Counted by labels alone it would be 1 - 2 e of it.
    assert abs(result.mean) > abs(noisy_gain.mean())


def test_what_is_known_of_the_truth() -> None:
    data, flipped = noisy(0.3)
    truth, noise = label_truth(labels_as_given("x", data.pairs, data.features), Context())
    assert noise.low <= 0.3 <= noise.high
    assert noise.judged_pairs == 0
    assert truth.label_log_odds.shape == truth.other_log_odds.shape == (1200, len(truth.mass))
    assert truth.mass.sum() == pytest.approx(1.0)
    # The lower the flip rate, the more a label is worth, and the less heads are.
    assert (np.diff(truth.label_log_odds, axis=1) < 1e-9).all()
    assert np.ptp(truth.label_log_odds, axis=1).min() > 0.2
    worth = np.abs(truth.other_log_odds).mean(axis=0)
    assert worth[0] < worth[-1]
    # And worth the same in each pair: one that all else contradicts says no more than others.
    np.testing.assert_array_equal(np.ptp(truth.label_log_odds, axis=0), 0.0)
    assert truth.other_log_odds[~flipped].mean() > 0.5 > truth.other_log_odds[flipped].mean()


def test_judged_pairs_are_the_truth() -> None:
    data, flipped = noisy(0.3)
    frame = verdicts_on(data, flipped)
    judged_data = labels_as_given("simulated", data.pairs, data.features, frame)
    truth, noise = label_truth(judged_data, Context())
    np.testing.assert_array_equal(truth.judgements, np.where(flipped, -1, 1))
    assert noise.judged_pairs == 1200
    (tested,) = experiments(judged_data).tested
    sign = np.where(flipped, -1.0, 1.0)[tested.rows]
    expected = (tested.right[:, 1] - tested.right[:, 0]) * sign
    np.testing.assert_allclose(tested.difference("drop 20 %").expected, expected)
    with pytest.raises(CurateError, match="no pair of the dataset is reviewed"):
        labels_as_given("x", data.pairs, data.features, frame.with_columns(pair_id=pl.lit("?")))


def test_flips_turn_verdicts_and_margins() -> None:
    data, flipped = noisy(0.3, 200)
    judged_data = labels_as_given("x", data.pairs, data.features, verdicts_on(data, flipped))
    clean = judged_data.flipped(flipped)
    assert clean.judgements is not None
    assert (clean.judgements == 1).all()
    np.testing.assert_array_equal(clean.blocks[flipped], -judged_data.blocks[flipped])
    again = clean.flipped(flipped)
    assert again.turned is not None
    assert not again.turned.any()


@pytest.mark.parametrize("column", ["strength", "extra.gap"])
def test_margins_of_the_file_stay_with_their_answers(column: str) -> None:
    data, flipped = noisy(0.3, 200)
    # The file's margin sides with the right answer; labels side with it but where they are wrong.
    margin = np.where(flipped, -2.0, 2.0)
    extra = [json.dumps({"gap": m}) for m in margin.tolist()]
    columns = {"strength": pl.Series(margin), "extra": pl.Series(extra)}
    name = column.partition(".")[0]
    pairs = data.pairs.with_columns(columns[name].alias(name))
    given_data = labels_as_given("x", pairs, data.features)
    scorer = {"type": "label_em", "evidence": [{"column": column}]}
    plan = make_plan(parse_config({"scorers": [scorer]}))
    np.testing.assert_array_equal(oriented_margins(plan, given_data).margins[column], margin)
    turned = given_data.flipped(flipped)
    np.testing.assert_array_equal(oriented_margins(plan, turned).margins[column], np.abs(margin))


def advice_by_gains(gains: dict[str, float], spread: float = 0.2, count: int = 500) -> Advice:
    rng = np.random.default_rng(0)
    base = (rng.random(count) < 0.6).astype(float)
    moved = [base + g + (rng.normal(0, spread, count) if g else 0.0) for g in gains.values()]
    numbers = np.arange(count)
    key = Condition("d", AS_LABELLED, 0.0)
    right = np.stack([base, *moved], 1)
    tested = Rankings(key, [KEEP_ALL, *gains], right, numbers, numbers, numbers % 5)
    rows = [
        {**key.to_json(), "seed": s, "method": m, "downstream_accuracy": 0.6, "true_rate": None}
        for s in range(5)
        for m in tested.methods
    ]
    plan = BenchPlan(actions=tuple(Recipe(a.name, a.config) for a in ACTIONS if a.name in gains))
    summary = summarise_experiments(Experiments(pl.DataFrame(rows, schema=SCHEMA), [tested]), plan)
    return advise(tested, summary, plan.writable)


def test_what_is_proven_is_advised_with_its_lines() -> None:
    advice = advice_by_gains({"drop 20 %": 0.1, DEFAULT: 0.001})
    assert (advice.method, advice.proven) == ("drop 20 %", True)
    assert "helps: +" in advice.sentences[0]
    assert "clean held-out labels" in advice.sentences[0]
    assert "one half of the prompts gains" in advice.sentences[1]
    assert "quantile" in advice.lines


def test_the_surest_gain_is_advised_and_not_the_largest() -> None:
    rng = np.random.default_rng(0)
    base = np.full(600, 0.5)
    numbers = np.arange(600)
    key = Condition("d", AS_LABELLED, 0.0)
    moved = [base + 0.15 + rng.normal(0, 0.9, 600), base + 0.09 + rng.normal(0, 0.1, 600)]
    methods = [KEEP_ALL, "flip", "drop_wrong"]
    tested = Rankings(
        key,
        methods,
        np.stack([base, *moved], 1),
        numbers,
        numbers,
        numbers % 5,
    )
    rows = [
        {**key.to_json(), "seed": 0, "method": m, "downstream_accuracy": 0.6, "true_rate": None}
        for m in methods
    ]
    plan = BenchPlan(actions=tuple(a for a in ACTIONS if a.name in methods))
    summary = summarise_experiments(Experiments(pl.DataFrame(rows, schema=SCHEMA), [tested]), plan)
    gains = dict(summary.select("method", "gain").iter_rows())
    assert gains["flip"] > gains["drop_wrong"]
    assert advise(tested, summary, plan.writable).method == "drop_wrong"


def test_the_default_where_nothing_is_proven() -> None:
    advice = advice_by_gains({DEFAULT: 0.001, "flip": -0.2})
    assert (advice.method, advice.proven) == (DEFAULT, False)
    assert "500 held-out pairs would show gains above" in advice.sentences[0]
    assert "not proven here" in advice.sentences[1]
    assert advice.sentences[2] == "Shown to harm: flip."
    # A step that changes nothing costs nothing.
    assert advice_by_gains({DEFAULT: 0.0}).method == DEFAULT


def test_else_everything_is_kept() -> None:
    advice = advice_by_gains({DEFAULT: -0.2})
    assert advice.method is None
    assert advice.lines == ""
    assert any("Keep everything:" in s for s in advice.sentences)


def test_every_action_can_be_written_into_a_pipeline() -> None:
    for action in ACTIONS:
        lines = pipeline_lines(action)
        assert make_plan(parse_config(action.config)).filters
        assert yaml.safe_load(lines) == action.config
        sections = {"input": {"path": "x"}, "output": {"path": "y", "format": "trl"}}
        assert yaml.safe_load(pipeline_lines(action, sections)) == action.config | sections
    assert DEFAULT in {a.name for a in ACTIONS}


@pytest.mark.slow
def test_the_command_on_labels_as_they_are(tmp_path: Path) -> None:
    out = tmp_path / "bench"
    result = CliRunner().invoke(
        app, ["bench", str(PANDALM_SAMPLE), "--noise", "none", "-o", str(out), "--limit", "300"]
    )
    assert result.exit_code == 0, result.output
    assert "recommendation" in result.output
    report = json.loads((out / "bench.json").read_text())
    assert [a["key"]["pattern"] for a in report["advice"]] == [AS_LABELLED]
    assert report["noise"]
