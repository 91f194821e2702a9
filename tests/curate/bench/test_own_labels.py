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
from curate.bench.actions import ACTIONS, DEFAULT, as_lines
from curate.bench.advice import Advice, advise
from curate.bench.data import BenchData, as_labelled, is_test
from curate.bench.gains import Rankings
from curate.bench.own_labels import OwnNoise, own_noise, run_own_labels
from curate.bench.run import ALL, AS_LABELLED, SCHEMA, Experiments, Plan
from curate.bench.summary import summarise
from curate.cli.app import app
from curate.models.heads.identification import identify
from curate.models.heads.noise_rate import ToldRate
from curate.pipeline.config import parse_config
from curate.pipeline.plan import make_plan
from curate.recipes import Recipe
from curate.sample import SAMPLE_DATA
from curate.steps.context import Context, SilentProgress
from tests.helpers import simulate

FAST = Plan(seeds=5, methods=(), actions=tuple(a for a in ACTIONS if a.name == "drop 20 %"))


def noisy(rate: float, count: int = 1200) -> tuple[BenchData, np.ndarray]:
    sim = simulate(count, flips=rate, seed=3, scale=6.0)
    return BenchData("simulated", sim.pairs, sim.context.features), sim.flipped


def test_five_seeds_test_every_prompt_once() -> None:
    groups = np.repeat(np.arange(40), 2)
    found = np.stack([is_test(groups, seed) for seed in range(10)])
    assert (found[:5].sum(axis=0) == 1).all()
    assert (found[5:].sum(axis=0) == 1).all()
    assert not np.array_equal(found[0], found[5])


def test_a_drop_of_flips_gains_and_gold_undoes_the_noise() -> None:
    data, flipped = noisy(0.3)
    own = as_labelled("simulated", data.pairs, data.features)
    gain = summarise(run_own_labels(own, FAST, SilentProgress()), FAST).row(
        by_predicate=pl.col("method") == "drop 20 %", named=True
    )
    verdicts = data.pairs.select("pair_id").with_columns(
        verdict=pl.when(pl.Series(flipped)).then(pl.lit("flip")).otherwise(pl.lit("keep"))
    )
    judged = as_labelled("simulated", data.pairs, data.features, verdicts)
    truth = summarise(run_own_labels(judged, FAST, SilentProgress()), FAST).row(
        by_predicate=pl.col("method") == "drop 20 %", named=True
    )
    assert truth["gain"] > 0
    # The difference of the same heads on the same pairs, under noisy and under true labels.
    assert gain["gain"] == pytest.approx((1 - 2 * 0.3) * truth["gain"], abs=0.02)
    assert truth["downstream_accuracy"] > gain["downstream_accuracy"] + 0.1


def test_only_judged_pairs_are_tested_on() -> None:
    data, _ = noisy(0.2, 300)
    verdicts = pl.DataFrame(
        {"pair_id": data.pairs["pair_id"][:40], "verdict": ["keep"] * 30 + ["tie"] * 10}
    )
    judged = as_labelled("x", data.pairs, data.features, verdicts)
    found = run_own_labels(judged, FAST, SilentProgress())
    assert found.tested[0].right.shape == (30, 2)
    assert own_noise(judged, Context()).judged
    with pytest.raises(CurateError, match="no pair of the data set is judged"):
        as_labelled("x", data.pairs, data.features, verdicts.with_columns(pair_id=pl.lit("?")))


def test_intervals_on_clean_labels() -> None:
    known = OwnNoise(ToldRate(0.2, 0.1, 0.3, ""), LEARNT)
    # 1 - 2 e is .8 to .4: a gain grows by 1.25 to 2.5.
    assert known.on_clean(0.01, 0.02) == pytest.approx((0.0125, 0.05))
    assert known.on_clean(-0.01, 0.02) == pytest.approx((-0.025, 0.05))
    assert OwnNoise(ToldRate(None, None, None, ""), LEARNT).on_clean(0.0, 1.0) is None


def told(gains: dict[str, float], noise: OwnNoise, count: int = 500) -> Advice:
    rng = np.random.default_rng(0)
    base = (rng.random(count) < 0.6).astype(float)
    moved = [base + g + (rng.normal(0, 0.2, count) if g else 0.0) for g in gains.values()]
    numbers = np.arange(count)
    key = {"dataset": "d", "pattern": AS_LABELLED, "rate": 0.0}
    tested = Rankings(key, [ALL, *gains], np.stack([base, *moved], 1), numbers, numbers % 5)
    rows = [
        {**key, "seed": s, "method": m, "downstream_accuracy": 0.6, "true_rate": None}
        for s in range(5)
        for m in tested.methods
    ]
    plan = Plan(actions=tuple(Recipe(a.name, a.config) for a in ACTIONS if a.name in gains))
    summary = summarise(Experiments(pl.DataFrame(rows, schema=SCHEMA), [tested]), plan)
    return advise(tested, summary, plan.writable, noise)


LEARNT = identify(np.ones(100))
NOISE = OwnNoise(ToldRate(0.2, 0.1, 0.3, ""), LEARNT)


def test_what_is_proven_is_advised_with_its_lines() -> None:
    advice = told({"drop 20 %": 0.1, DEFAULT: 0.001}, NOISE)
    assert (advice.method, advice.proven) == ("drop 20 %", True)
    assert "helps: +" in advice.sentences[0]
    assert "on clean labels" in advice.sentences[0]
    assert "measured on the other" in advice.sentences[1]
    assert "quantile" in advice.lines


def test_what_is_not_proven_is_said_so() -> None:
    advice = told({DEFAULT: 0.001, "flip": -0.2}, NOISE)
    assert (advice.method, advice.proven) == (DEFAULT, False)
    assert "with 500 held-out pairs only gains above" in advice.sentences[0]
    assert "Not proven here" in advice.sentences[1]
    assert advice.sentences[2] == "Harm is shown of: flip."


@pytest.mark.parametrize(
    ("gains", "noise"),
    [
        ({DEFAULT: 0.0}, NOISE),
        ({DEFAULT: -0.2}, NOISE),
        ({DEFAULT: 0.001}, OwnNoise(None, identify(np.array([1.0, -1.0])))),
    ],
)
def test_else_everything_is_kept(gains: dict[str, float], noise: OwnNoise) -> None:
    advice = told(gains, noise)
    assert advice.method is None
    assert advice.lines == ""
    assert any("Keep everything:" in s for s in advice.sentences)


def test_every_action_can_be_written_into_a_pipeline() -> None:
    for action in ACTIONS:
        lines = as_lines(action)
        assert make_plan(parse_config(action.config)).filters
        assert yaml.safe_load(lines) == action.config
    assert DEFAULT in {a.name for a in ACTIONS}


@pytest.mark.slow
def test_the_command_on_labels_as_they_are(tmp_path: Path) -> None:
    out = tmp_path / "bench"
    result = CliRunner().invoke(
        app, ["bench", str(SAMPLE_DATA), "--noise", "none", "-o", str(out), "--limit", "300"]
    )
    assert result.exit_code == 0, result.output
    assert "what to do" in result.output
    found = json.loads((out / "bench.json").read_text())
    assert [a["key"]["pattern"] for a in found["advice"]] == [AS_LABELLED]
    assert found["noise"]
