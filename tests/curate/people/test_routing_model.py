"""Routing that learns, on annotators of which the model is wrong in a known region."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from curate import Pairs, Pipeline
from curate.cli.app import app
from curate.people.routing_features import FEATURES
from curate.people.routing_model import RoutingSample, fit_routing
from tests.helpers import pairs_of

DIM = 12


def simulated_sample(pairs: int = 4000, wrong: float = 0.85, seed: int = 0) -> RoutingSample:
    """Where the overlap is high the answers differ in features of their own, and the model errs."""
    rng = np.random.default_rng(seed)
    level = rng.choice(["low", "middle", "high"], pairs, p=[0.4, 0.4, 0.2])
    other = rng.choice(["low", "middle", "high"], pairs)
    region = level == "high"
    difference = rng.normal(size=(pairs, DIM)).astype(np.float32)
    difference[region, : DIM // 2] = 0.0
    difference[~region, DIM // 2 :] = 0.0
    reward = rng.normal(size=DIM)
    people = difference @ reward + rng.logistic(size=pairs) > 0
    flips = rng.random(pairs) < np.where(region, wrong, 0.05)
    bins = pl.DataFrame({"overlap": level, "prompt_words": other})
    return RoutingSample(difference, people, people ^ flips, np.arange(pairs) // 2, bins)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_routing_gains_half_of_what_an_oracle_gains(seed: int) -> None:
    fit = fit_routing(simulated_sample(seed=seed), 0.2, seed)
    gains = fit.coefficients
    assert max(gains, key=lambda name: gains[name]) == "overlap=high"
    h = fit.held_out
    assert h["routed"] - h["all_model"] >= 0.5 * (h["oracle"] - h["all_model"])
    assert h["oracle"] - h["all_model"] > 0.05
    assert h["routed"] > h["random"] + 0.02
    assert fit.explained > 0.5


def test_where_the_model_errs_nowhere_in_particular_features_tell_little() -> None:
    plain = simulated_sample(wrong=0.05, seed=3)
    assert (plain.people != plain.model).mean() == pytest.approx(0.05, abs=0.02)
    fit = fit_routing(plain, 0.2)
    h = fit.held_out
    assert abs(h["routed"] - h["random"]) < 0.03
    assert set(h) == {"all_model", "all_people", "routed", "random", "oracle"}


def rows(count: int, seed: int = 0) -> list[dict[str, object]]:
    """The model prefers what is longer; people do so but where both answers hold the same words."""
    rng = np.random.default_rng(seed)
    words = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel"]
    out: list[dict[str, object]] = []
    for i in range(count):
        are_similar = rng.random() < 0.3
        first = " ".join(rng.choice(words, 4))
        second = f"{first} indeed" if are_similar else " ".join(rng.choice(words, 9))
        long, short = f"{second} {i}", f"{first} {i}"
        people_like_long = not are_similar
        votes = [("gpt", long, short)]
        if i < count * 0.7:
            good, bad = (long, short) if people_like_long else (short, long)
            votes.append((f"person {i % 5}", good, bad))
        out += [
            {"prompt": f"question {i}", "chosen": c, "rejected": r, "annotator": who}
            for who, c, r in votes
        ]
    return out


def finished(folder: Path, source_rows: list[dict[str, object]]) -> Path:
    config = {"embedder": {"name": "static"}, "scorers": [{"type": "lengths"}]}
    result = Pipeline(config).run(Pairs(pairs_of(source_rows)), output=folder)
    assert result.folder is not None
    return result.folder


@pytest.mark.slow
def test_the_command_learns_routes_and_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "store"))
    run, out = finished(tmp_path / "run", rows(700)), tmp_path / "out"
    words = ["route", str(run), "--fit", "gpt", "--budget", "40", "--to", "pairs", "-o", str(out)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "unseen prompts" in done.output
    report = json.loads((out / "route.json").read_text())
    assert report["candidates"] == 210
    gains = json.loads((out / "gains.json").read_text())
    learned = report["fit"]["coefficients"]
    # A topic's number means nothing on other data; a score is not among the scorers of this run.
    assert gains == {k: v for k, v in learned.items() if not k.startswith("topic=")}
    assert {k.partition("=")[0] for k in learned} == {*FEATURES, "topic"}
    assert gains["overlap=high"] == max(v for k, v in gains.items() if k.startswith("overlap"))
    routed = pl.read_parquet(out / "routed.parquet")
    assert (routed["overlap_bin"] == "high").mean() > 0.8  # type: ignore[operator]


def test_what_cannot_be_fitted_is_told(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", rows(20))
    for extra, why in (
        (["--fit", "gtp", "--budget", "5"], "did you mean 'gpt'"),
        (["--fit", "gpt", "--budget", "5"], "too few pairs"),
        (["--fit", "gpt", "--random", "5"], "--fit needs --budget"),
    ):
        done = CliRunner().invoke(app, ["route", str(run), "-o", str(tmp_path / "o"), *extra])
        assert done.exit_code != 0
        assert why in str(done.exception)


@pytest.mark.slow
def test_a_tag_that_tells_where_the_model_errs_is_learned_and_serves_other_data(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(0)
    source_rows, law = [], False
    for row in rows(700):
        if row["annotator"] == "gpt":
            # On law the model prefers what people reject, whatever the texts are like.
            law = rng.random() < 0.3
            people_like_long = "indeed" not in str(row["chosen"])
            turn = law == people_like_long
        if row["annotator"] == "gpt" and turn:
            row |= {"chosen": row["rejected"], "rejected": row["chosen"]}
        source_rows.append({**row, "extra": json.dumps({"category": "law" if law else "chat"})})
    run, out = finished(tmp_path / "run", source_rows), tmp_path / "out"
    words = ["route", str(run), "--budget", "40", "--to", "pairs", "-o"]
    done = CliRunner().invoke(app, [*words, str(out), "--fit", "gpt", "--tag", "category"])
    assert done.exit_code == 0, done.output
    gains = json.loads((out / "gains.json").read_text())
    assert max(gains, key=lambda name: gains[name]) == "category=law"
    routed = pl.read_parquet(out / "routed.parquet")
    assert (routed["category_bin"] == "law").mean() > 0.9  # type: ignore[operator]
    again = tmp_path / "again"
    gains_option = ["--gains", str(out / "gains.json")]
    assert CliRunner().invoke(app, [*words, str(again), *gains_option]).exit_code == 0
    routed = pl.read_parquet(again / "routed.parquet")
    assert (routed["category_bin"] == "law").mean() > 0.9  # type: ignore[operator]
    wrong = CliRunner().invoke(app, [*words, str(again), "--fit", "gpt", "--tag", "categry"])
    assert "no pair has this tag" in str(wrong.exception)
