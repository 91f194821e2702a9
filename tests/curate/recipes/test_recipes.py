"""Recipes: each is a pipeline, keeps every row accounted for, and avoids the published traps."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from curate import CurateError, Pairs, Pipeline
from curate.benchmark.data import BenchData
from curate.benchmark.recipes import apply_recipe
from curate.cli import progress
from curate.cli.app import app
from curate.recipes import (
    ALL_RECIPES,
    RecipeModels,
    recipe_names,
    recipe_pipeline,
    recipes_with_models,
)
from tests.helpers import PANDALM_SAMPLE, numbered_pairs, simulate
from tests.stub_endpoint import stub_endpoint

EIGHTEEN = 18


def test_there_are_eighteen_and_each_is_a_whole_pipeline() -> None:
    names = recipe_names()
    assert len(names) == EIGHTEEN
    assert len(set(names.values())) == EIGHTEEN
    for name in names:
        plan = Pipeline(yaml.safe_load(recipe_pipeline(name, "data.jsonl"))).plan
        assert plan.scorers
        assert plan.filters


def test_recipes_without_their_models_say_what_they_lack() -> None:
    runnable, lacking = recipes_with_models([ALL_RECIPES], RecipeModels())
    assert {r.name for r in runnable} == {
        n for n in recipe_names() if n.startswith(("vote", "rw", "re-po"))
    }
    assert "--model" in lacking["ifd-remove"]
    assert "--judge-model" in lacking["ins-tag-diversity"]
    assert "--reward-model" in lacking["rip"]
    assert "--policy" in lacking["small-implicit-gap"]
    full, none = recipes_with_models(
        [ALL_RECIPES], RecipeModels("m", ("r",), "j", "http://here/v1", "p")
    )
    assert (len(full), none) == (EIGHTEEN, {})
    judge = next(r for r in full if r.name == "llm-judge-flip").config["scorers"][0]
    assert (judge["model"], judge["base_url"]) == ("j", "http://here/v1")
    with pytest.raises(CurateError, match="did you mean 'ifd-remove'"):
        recipes_with_models(["ifd-remov"], RecipeModels())


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["vote-all-remove", "vote-majority-flip", "rw-gap-remove", "rw-gap-flip"]
)
def test_recipes_flag_flips_more_often_than_chance(name: str) -> None:
    runnable = simulate(800, flips=0.2)
    features = runnable.context.features
    data = BenchData("simulated", runnable.pairs, features)
    recipe = recipes_with_models([name], RecipeModels())[0][0]
    outcome = apply_recipe(data, recipe, runnable.context.for_pairs(data.pairs, features, 0))
    flagged = outcome.measures(runnable.flipped)
    assert 0 < flagged["flagged"] < 0.5
    assert flagged["precision"] > 1.5 * runnable.flipped.mean()
    assert not (outcome.dropped & outcome.flipped).any()
    assert (outcome.dropped.any(), outcome.flipped.any()) == (
        name.endswith("remove"),
        name.endswith("flip"),
    )
    weights = outcome.weights()
    assert weights.flipped is not None
    assert np.array_equal(weights.label + weights.flipped, (~outcome.dropped).astype(float))


@pytest.mark.slow
def test_a_judge_in_a_recipe() -> None:
    def worst(body: dict[str, object]) -> str:
        text = str(body["messages"])
        first = re.search(r"<answer_A_\w+>\\n(\w+)", text)
        assert first is not None
        return "[[2]] [[9]]" if first[1] == "good" else "[[9]] [[2]]"

    with stub_endpoint(worst) as stub:
        models = RecipeModels(judge="m", judge_url=stub.url)
        config = recipes_with_models(["llm-judge-flip"], models)[0][0].config
        result = Pipeline(config | {"store": None}).run(Pairs(numbered_pairs(4)))
    assert [a[0]["content"] for a in result.kept["chosen"]] == [f"evil {i}" for i in range(4)]
    assert result.kept["extra"].to_list() == ['{"flipped":true}'] * 4


@pytest.mark.slow
def test_difficulty_recipes_run_on_the_real_model(smollm2: Path, data: Path) -> None:
    names = ["ifd-remove", "ifd-gap-remove", "ifd-gap-flip"]
    for recipe in recipes_with_models(names, RecipeModels(causal=str(smollm2)))[0]:
        config = recipe.config | {"input": {"path": str(data / "llmbar"), "limit": 5}}
        result = Pipeline(config).run()
        assert len(result.kept) + len(result.dropped) == 5
        flipped = result.scores.select(pl.col("^flip_lowest.flipped$"))
        assert flipped.to_series().sum() == 1 if len(flipped.columns) else len(result.dropped)


def test_init_and_list_know_recipes(tmp_path: Path) -> None:
    run = CliRunner().invoke
    listed = run(app, ["list", "--recipes"])
    assert all(name in listed.output for name in recipe_names())
    path = tmp_path / "p.yaml"
    done = run(app, ["init", str(path), "--recipe", "rw-gap-flip", "--data", "mine.jsonl"])
    assert done.exit_code == 0
    assert "path: mine.jsonl" in path.read_text()
    assert Pipeline(path).config.filters[0].type == "flip_lowest"


@pytest.mark.slow
def test_the_bench_compares_recipes_and_says_what_it_left_out(tmp_path: Path) -> None:
    arguments = ["bench", str(PANDALM_SAMPLE), "--seeds", "2", "--noise", "0.3"]
    arguments += ["--recipes", "rw-gap-flip,ifd-remove", "-o", str(tmp_path / "b")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "not run: ifd-remove: needs a causal model: --model" in done.output
    rows = pl.read_parquet(tmp_path / "b" / "bench.parquet").filter(
        method="rw-gap-flip", pattern="symmetric"
    )
    assert len(rows) == 2
    # The sample has 38 prompts: where the small heads learn nothing from them, nothing is done.
    assert (rows["flagged"].is_between(0.15, 0.25) | (rows["flagged"] == 0.0)).all()
    assert rows["downstream_accuracy"].is_not_null().all()


@pytest.mark.slow
def test_the_bench_tells_how_far_a_model_of_a_recipe_is(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress.LineProgress.__init__, "__defaults__", (0.02,))
    arguments = ["bench", str(PANDALM_SAMPLE), "--limit", "60", "--seeds", "1", "--noise", "none"]
    done = CliRunner().invoke(app, [*arguments, "--recipes", "ifd-remove", "--model", str(tiny)])
    assert done.exit_code == 0, done.output
    assert re.search(rf"{tiny.name}: answers: \d+ of \d+ ", done.stderr)
