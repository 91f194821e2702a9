"""Injection, measures and the verdict, on data whose truth is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from curate import CurateError
from curate.benchmark.actions import ACTIONS
from curate.benchmark.command import dataset_name
from curate.benchmark.data import (
    BenchData,
    consensus_rows,
    labels_as_given,
    semi_synthetic,
    unanimous_data,
)
from curate.benchmark.downstream import Weights, accuracy_by_weighting
from curate.benchmark.methods import METHODS
from curate.benchmark.patterns import PATTERNS, inject_flips, symmetric_flips
from curate.benchmark.recipes import apply_recipe
from curate.benchmark.run import BAYES, KEEP_ALL, ORACLE, RANDOM, BenchPlan, run_bench
from curate.benchmark.summary import summarise_experiments
from curate.cli.app import app
from curate.data.table import PAIR_COLUMNS
from curate.steps.context import Context, SilentProgress
from tests.helpers import PANDALM_SAMPLE, numbered_pairs, pairs_of, simulate


def data(count: int = 400, flips: float = 0.0, seed: int = 0) -> BenchData:
    sim = simulate(count, flips=flips, seed=seed)
    return BenchData("simulated", sim.pairs, sim.context.features)


def test_consensus_keeps_one_of_unanimous_votes() -> None:
    base = {"prompt": "p", "chosen": "a", "rejected": "b"}
    rows = [
        {**base, "annotator": "x"},
        {**base, "annotator": "y"},
        {**base, "prompt": "q"},
        {**base, "prompt": "q", "chosen": "b", "rejected": "a"},
        {**base, "prompt": "r"},
        {**base, "prompt": "r", "is_tie": True},
        {**base, "prompt": "s", "rejected": "a"},
        {**base, "prompt": "t"},
    ]
    assert consensus_rows(pairs_of(rows)).tolist() == [0, 7]


def test_too_few_pairs() -> None:
    small = data(40)
    with pytest.raises(CurateError, match="too few pairs"):
        unanimous_data("x", small.pairs, small.features)


@pytest.mark.slow
@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_reaches_its_rate_and_turns_features_and_texts(pattern: str) -> None:
    clean = data(1000)
    noisy, flips = inject_flips(clean, pattern, 0.3, np.random.default_rng(0))
    assert flips.mean() == pytest.approx(0.3, abs=0.06)
    swapped = noisy.pairs["chosen"].to_list()[int(np.argmax(flips))]
    assert swapped == clean.pairs["rejected"].to_list()[int(np.argmax(flips))]
    np.testing.assert_array_equal(
        noisy.features.of("chosen")[flips], clean.features.of("rejected")[flips]
    )
    np.testing.assert_array_equal(
        noisy.features.of("chosen")[~flips], clean.features.of("chosen")[~flips]
    )


def test_ambiguous_pairs_are_flipped_more_and_careless_annotators_flip_more() -> None:
    sim = simulate(3000, flips=0.0)
    labelled = BenchData("x", sim.pairs, sim.context.features, sim.margin)
    _, flips = inject_flips(labelled, "ambiguity", 0.2, np.random.default_rng(0))
    assert np.abs(sim.margin[flips]).mean() < 0.6 * np.abs(sim.margin[~flips]).mean()
    noisy, flips = inject_flips(labelled, "annotator", 0.2, np.random.default_rng(0))
    rates = (
        noisy.pairs.with_columns(f=pl.Series(flips)).group_by("annotator").agg(pl.col("f").mean())
    )
    assert len(rates) == 10
    assert rates["f"].min() < 0.05  # type: ignore[operator]
    assert rates["f"].max() > 0.3  # type: ignore[operator]


def test_semi_synthetic_labels_have_the_known_margins() -> None:
    base = data(200)
    synthetic = semi_synthetic("x", base.pairs, base.features, 5000, 3.0, 0)
    assert synthetic.margin is not None
    assert np.sqrt((synthetic.margin**2).mean()) == pytest.approx(3.0, rel=0.02)
    from scipy.special import expit

    expected = expit(np.abs(synthetic.margin)).mean()
    assert (synthetic.margin > 0).mean() == pytest.approx(expected, abs=0.02)
    row = synthetic.pairs.row(7, named=True)
    texts = {
        m[0]["content"] for m in base.pairs["chosen"].to_list() + base.pairs["rejected"].to_list()
    }
    assert row["chosen"][0]["content"] in texts
    # Every step of a pipeline works on them.
    assert synthetic.pairs.columns == list(PAIR_COLUMNS)
    flip = next(a for a in ACTIONS if a.name == "flip")
    outcome = apply_recipe(synthetic, flip, synthetic.context(Context(), 0))
    assert len(outcome.flipped) == len(synthetic.pairs)
    turned = synthetic.flipped(np.ones(len(synthetic.pairs), dtype=bool))
    np.testing.assert_array_equal(turned.margin, -synthetic.margin)


def test_downstream_accuracy_knows_good_from_bad_training_labels() -> None:
    train, test = data(600, seed=1), data(600, seed=1)
    rows = np.arange(600)
    half = rows < 300
    train, test = train.take(rows[half]), test.take(rows[~half])
    flips = symmetric_flips(train, 0.4, np.random.default_rng(0))
    noisy = train.flipped(flips)
    ones = np.ones(300)
    result = accuracy_by_weighting(
        noisy,
        test,
        {
            "all": Weights(ones),
            "oracle": Weights((~flips) * 1.0),
            "relabelled": Weights((~flips) * 1.0, flips * 1.0),
            "turned": Weights(ones * 0, ones),
        },
    )
    assert result["oracle"] > result["all"] > 0.5
    assert result["relabelled"] >= result["oracle"] - 0.02
    assert result["turned"] == pytest.approx(1 - result["all"], abs=0.05)


@pytest.mark.slow
def test_rows_measures_and_verdicts() -> None:
    methods = tuple(m for m in METHODS if m.name in ("noise_score", "label_em", "length (control)"))
    plan = BenchPlan(rates=(0.3,), seeds=3, methods=methods)
    result = run_bench(data(600), plan, SilentProgress())
    rows = result.rows
    names = {"noise_score", "label_em", "length (control)", KEEP_ALL, RANDOM, ORACLE}
    assert names <= set(rows["method"])
    assert rows.filter(pl.col("method") == "noise_score")["auroc"].min() > 0.75  # type: ignore
    assert rows.filter(pl.col("method") == KEEP_ALL)["auroc"].null_count() == 3
    again = run_bench(data(600), plan, SilentProgress()).rows
    timeless = pl.exclude("seconds")
    assert rows.select(timeless).equals(again.select(timeless))
    summary = summarise_experiments(result, plan)
    keep = summary.row(by_predicate=pl.col("method") == KEEP_ALL, named=True)
    assert (keep["gain"], keep["verdict"], keep["seeds"]) == (0.0, None, 3)
    em = summary.row(by_predicate=pl.col("method") == "label_em", named=True)
    # Held-out heads tell a bound, and no rate.
    assert (em["noise_estimate"], em["estimate_bias"]) == (None, None)
    drop = summary.row(by_predicate=pl.col("method") == "drop_wrong", named=True)
    assert drop["precision"] > 0.5
    assert drop["gain_low"] < drop["gain"] < drop["gain_high"]
    (tested,) = result.tested
    mean = rows.group_by("method").agg(pl.col("downstream_accuracy").mean())
    by_name = dict(mean.iter_rows())
    # Folds differ by a pair or two in size: the mean over pairs is that over seeds, nearly.
    assert tested.right[:, 0].mean() == pytest.approx(by_name[KEEP_ALL], abs=0.005)


def test_the_measures_of_one_seed_by_hand() -> None:
    methods = tuple(m for m in METHODS if m.name == "length (control)")
    plan = BenchPlan(rates=(0.25,), seeds=1, methods=methods, actions=())
    rows = run_bench(data(400), plan, SilentProgress()).rows
    length = rows.row(by_predicate=pl.col("method") == "length (control)", named=True)
    # All texts are as long: the order of the pairs decides, and the ranking knows nothing.
    assert length["auroc"] == pytest.approx(0.5)
    assert length["average_precision"] == pytest.approx(length["true_rate"])


@pytest.mark.slow
def test_semi_synthetic_has_the_bayes_ranking_as_the_best() -> None:
    base = data(300)
    synthetic = semi_synthetic("x", base.pairs, base.features, 1500, 4.0, 0)
    methods = tuple(m for m in METHODS if m.name == "noise_score")
    plan = BenchPlan(rates=(0.2,), seeds=1, methods=methods, actions=())
    rows = run_bench(synthetic, plan, SilentProgress()).rows
    best = rows.row(by_predicate=pl.col("method") == BAYES, named=True)["auroc"]
    result = rows.row(by_predicate=pl.col("method") == "noise_score", named=True)["auroc"]
    assert best - 0.1 < result <= best + 0.01
    assert roc_auc_score([0, 1], [0, 1]) == 1.0


def test_dataset_names() -> None:
    assert dataset_name("/x/llmbar/*.json") == "llmbar"
    assert dataset_name("auto-j/pairs.jsonl.gz") == "auto-j/pairs"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--noise", "0.7"], "0 to below 0.5"),
        (["--noise", "much"], "such as 0.2,0.4"),
        (["--patterns", "symetric"], "did you mean 'symmetric'"),
    ],
)
def test_wrong_options(options: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["bench", str(PANDALM_SAMPLE), *options])
    assert isinstance(result.exception, CurateError)
    assert message in str(result.exception)


@pytest.mark.slow
def test_the_command_on_the_sample(tmp_path: Path) -> None:
    out = tmp_path / "bench"
    arguments = ["bench", str(PANDALM_SAMPLE), "--noise", "0.3", "--seeds", "2", "-o", str(out)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "noise_score" in result.output
    report = json.loads((out / "bench.json").read_text())
    assert report["plan"]["rates"] == [0.3]
    rows = pl.read_parquet(out / "bench.parquet")
    assert set(rows["method"]) >= {m.name for m in METHODS}
    again = CliRunner().invoke(app, arguments)
    assert isinstance(again.exception, CurateError)


def test_numbered_pairs_are_all_distinct() -> None:
    assert len(consensus_rows(numbered_pairs(20))) == 20


@pytest.mark.parametrize("make", [unanimous_data, labels_as_given])
def test_too_few_prompts(make: Callable[..., BenchData]) -> None:
    pairs = numbered_pairs(120, prompts=4)
    with pytest.raises(CurateError, match="over 4 distinct prompts"):
        make("d", pairs, data(120).features)
