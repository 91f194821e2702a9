from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from curate import CurateError, Pairs
from curate.cli.app import app
from curate.explain.command import explain_labels
from curate.explain.contrasts import Contrast, find_contrasts, term_table
from curate.explain.explanation import Explanation
from curate.explain.naming import extreme_rows, feature_words
from curate.models.embed.autoencoder import SAESettings
from curate.models.embed.settings import EmbedderConfig
from curate.steps.context import SilentProgress
from tests.helpers import numbered_pairs, pairs_of, write_jsonl
from tests.stub_endpoint import stub_endpoint

pytest.importorskip("wordllama")

ADDED = {"made_by", "signed", "files_written", "mark_xxh3_128"}
"""Keys that a finished folder adds to its file."""
WORDS = {
    "food": ["butter", "flour", "sugar", "oven", "bake", "dough", "recipe", "pastry"],
    "space": ["rocket", "orbit", "planet", "moon", "star", "galaxy", "launch", "comet"],
    "money": ["bank", "loan", "interest", "credit", "budget", "price", "market", "stock"],
}


def planted(count: int = 900) -> list[dict[str, str]]:
    """Answers about three things: food beats the others in 90 %, money loses in 70 %."""
    rng = np.random.default_rng(0)
    strength = {"food": 2.2, "space": 0.0, "money": -0.85}
    rows = []
    for i in range(count):
        first, second = rng.choice(list(WORDS), 2, replace=False)
        texts = {t: " ".join(rng.choice(WORDS[t], 12)) for t in (first, second)}
        wins = rng.random() < 1 / (1 + np.exp(strength[second] - strength[first]))
        better, worse = (first, second) if wins else (second, first)
        rows.append({"prompt": f"tell {i}", "chosen": texts[better], "rejected": texts[worse]})
    return rows


@pytest.mark.slow
def test_what_the_votes_prefer_is_found_named_and_signed() -> None:
    pairs = Pairs(pairs_of(planted()))
    settings = SAESettings(features=4, active=2, prefixes=(4,), learning_rate=3e-3)
    config = EmbedderConfig(name="static")
    findings, values = explain_labels(pairs, SilentProgress(), settings, config, store=None)
    assert values.columns == ["pair_id", "f0", "f1", "f2", "f3"]
    food = max(findings.features, key=lambda f: len(set(f.words) & set(WORDS["food"])))
    turned = min(findings.features, key=lambda f: f.p_value)
    assert len(set(food.words) & set(WORDS["food"])) >= 3
    assert food.win_rate > 0.75
    assert food.effect > 0
    assert food.significant
    assert turned.significant
    for feature in findings.features:
        assert feature.low < feature.effect < feature.high
        for example in feature.examples:
            activation = values.filter(pl.col("pair_id") == example.pair_id)[feature.feature][0]
            assert example.preferred == (activation > 0)


def test_random_votes_give_no_significant_feature() -> None:
    rng = np.random.default_rng(1)
    rows = [
        {**row, "chosen": row["rejected"], "rejected": row["chosen"]} if rng.random() < 0.5 else row
        for row in planted(600)
    ]
    settings = SAESettings(features=4, active=2, prefixes=(4,))
    config = EmbedderConfig(name="static")
    findings, _ = explain_labels(
        Pairs(pairs_of(rows)), SilentProgress(), settings, config, store=None
    )
    assert sum(f.significant for f in findings.features) <= 1


def test_words_of_the_side_that_has_the_feature() -> None:
    rows = [
        {"prompt": f"{i}", "chosen": "alpha shared beta", "rejected": "gamma shared delta"}
        for i in range(24)
    ]
    z = np.array([[1.0], [2.0], [3.0], [1.5], [2.5], [0.0]] * 4, dtype=np.float32)
    z[6:] /= 10
    table, prompts = term_table(pairs_of(rows)), np.arange(len(rows))
    with_it, without = feature_words(table, z, prompts)[0]
    assert (set(with_it), set(without)) == ({"alpha", "beta"}, {"gamma", "delta"})
    assert feature_words(table, -z, prompts)[0] == (without, with_it)
    # The same pairs of a single prompt: a topic, and no name.
    assert feature_words(table, z, np.zeros(len(rows), dtype=np.int64)) == [([], [])]
    assert extreme_rows(z, 2)[0].tolist() == [2, 4]
    zeros = np.zeros((len(rows), 2), dtype=np.float32)
    assert feature_words(table, zeros, prompts) == [([], [])] * 2


def answers(count: int, seed: int) -> list[dict[str, str]]:
    """Answers of common words about topics of their own, with labels drawn by a coin."""
    rng = np.random.default_rng(seed)
    words = [word for group in WORDS.values() for word in group]
    texts = [
        (f"tell {i} {word}", " ".join(rng.choice(words, 12)), f"{word} " * 8)
        for i, word in enumerate(rng.choice(words, count))
    ]
    names = ("prompt", "chosen", "rejected")
    return [dict(zip(names, (p, *rng.permutation([a, b])), strict=True)) for p, a, b in texts]


def contrasts_of(rows: list[dict[str, str]], prompts: np.ndarray[Any, Any]) -> tuple[Contrast, ...]:
    frame = pairs_of(rows)
    return find_contrasts(frame, term_table(frame), prompts, np.ones(len(rows), dtype=bool))


@pytest.mark.parametrize(
    ("prefix", "name"),
    [("I'm sorry, but ", "begins with 'i'm sorry'"), ("- one\n- two\n", "has list items")],
)
def test_a_planted_trait_comes_first(prefix: str, name: str) -> None:
    rows = answers(240, 0)
    rng = np.random.default_rng(1)
    for row in rows:
        if rng.random() < 0.3:
            side = "chosen" if rng.random() < 0.9 else "rejected"
            row[side] = prefix + row[side]
    first, *later = contrasts_of(rows, np.arange(len(rows)))
    assert name in (first.name, *first.also)
    assert first.significant
    assert first.low < 0.9 < first.high
    assert not any(contrast.significant for contrast in later)
    for example in first.examples:
        text = example.chosen if example.preferred else example.rejected
        assert text.startswith(prefix.strip())


def test_a_topic_and_a_single_prompt_are_no_traits() -> None:
    # Every chosen answer names what the prompt asked for, and the rejected one does not.
    rows = [
        {
            "prompt": f"{i}: what of ravens?",
            "chosen": f"ravens {i} fly",
            "rejected": f"it {i} flies",
        }
        for i in range(60)
    ]
    names = {n for c in contrasts_of(rows, np.arange(60)) for n in (c.name, *c.also)}
    assert "says 'fly'" in names
    assert "says 'ravens'" not in names
    # Sixty votes on one prompt, and sixty on another, are two prompts.
    assert contrasts_of(rows, np.arange(60) % 2) == ()


def test_labels_by_a_coin_show_nothing() -> None:
    draws = [contrasts_of(answers(200, seed), np.arange(200)) for seed in range(10)]
    assert sum(c.significant for rows in draws for c in rows) <= 1


def test_too_few_pairs() -> None:
    with pytest.raises(CurateError, match="too few pairs"):
        explain_labels(Pairs(numbered_pairs(20)), SilentProgress(), store=None)


def test_command(tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "a.jsonl", planted(300))
    arguments = ["explain", str(data), "-o", str(tmp_path / "out"), "--embedder", "static"]
    done = CliRunner().invoke(app, [*arguments, "--features", "4", "--active", "2"])
    assert done.exit_code == 0, done.output
    assert "Features that the labels reward" in done.output
    findings = json.loads((tmp_path / "out" / "explanation.json").read_text())
    assert findings["votes"] == 300
    assert len(pl.read_parquet(tmp_path / "out" / "features.parquet")) == 300
    assert Explanation.from_json(findings).to_json() == {
        key: value for key, value in findings.items() if key not in ADDED
    }
    page = (tmp_path / "out" / "explanation.html").read_text()
    assert "Traits of the preferred answer, across prompts" in page
    again = CliRunner().invoke(app, ["report", str(tmp_path / "out"), "--overwrite"])
    assert again.exit_code == 0, again.output
    assert (tmp_path / "out" / "explanation.html").read_text() == page
    wrong = CliRunner().invoke(app, [*arguments, "--features", "2", "--active", "3"])
    assert isinstance(wrong.exception, CurateError)


@pytest.mark.slow
def test_a_language_model_names_the_features(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"p{i}", "chosen": f"sorry number {i}", "rejected": f"of course {i} it is"}
        for i in range(220)
    ]
    prompts_asked: list[str] = []

    def call_it(body: dict[str, Any]) -> str:
        prompts_asked.append(body["messages"][0]["content"])
        return f"a name {len(prompts_asked)}"

    data, out = str(write_jsonl(tmp_path / "d.jsonl", rows)), str(tmp_path / "out")
    with stub_endpoint(call_it) as stub:
        named = ["--name-model", "m", "--url", stub.url]
        done = CliRunner().invoke(
            app,
            ["explain", data, "-o", out, "--features", "4", "--active", "2", *named],
        )
    assert done.exit_code == 0, done.output
    findings = json.loads((tmp_path / "out" / "explanation.json").read_text())
    names = [row["name"] for row in findings["features"]]
    assert len(prompts_asked) == len(names)
    assert all(name.startswith("a name") for name in names)
    assert "sorry number" in prompts_asked[0]
    assert "of course" in prompts_asked[0]
    assert findings["endpoint"]["requests"] == len(names)
