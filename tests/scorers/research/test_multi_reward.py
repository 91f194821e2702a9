"""multi_reward and feature_reward."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from curate import CurateError, read_pairs
from curate.scorers.feature_reward import FeatureReward
from curate.scorers.research.multi_reward import MultiReward
from curate.scorers.research.multi_reward.local_weights import local_weights
from curate.steps.context import Context
from curate.steps.declarations import Input
from curate.steps.registry import build_step
from tests.helpers import context_of, pairs_of, write_jsonl

REWARDS = {
    "help": {"chosen": "help_chosen", "rejected": "help_rejected"},
    "safe": {"margin": "safe"},
}


def rated(count: int, by_topic: bool, seed: int = 0) -> tuple[pl.DataFrame, Context, np.ndarray]:
    """Votes by two rewards; where `by_topic`, each of two topics of prompts looks at one alone."""
    rng = np.random.default_rng(seed)
    rows, vectors, true = [], {}, []
    for i in range(count):
        topic = i % 2
        weight = np.eye(2)[topic] * 3.0 if by_topic else np.array([2.0, 1.0])
        first, second = rng.normal(size=(2, 2))
        wins = rng.random() < 1 / (1 + np.exp(-weight @ (first - second)))
        c, r = (first, second) if wins else (second, first)
        extra = {"help_chosen": c[0], "help_rejected": r[0], "safe": c[1] - r[1]}
        rows.append(
            {"prompt": f"p{i}", "chosen": f"c{i}", "rejected": f"r{i}", "extra": json.dumps(extra)}
        )
        vectors[f"p{i}"] = np.eye(4)[topic] + rng.normal(0, 0.05, 4)
        true.append(weight @ (c - r))
    pairs = pairs_of(rows)
    return pairs, context_of(pairs, vectors, 4), np.array(true)


def test_weights_follow_the_prompt_where_the_votes_do() -> None:
    pairs, context, true = rated(800, by_topic=True)
    scores = MultiReward(rewards=REWARDS, k=60).score(pairs, context)
    assert context.facts["weights_by_prompt"]
    margin = scores["margin"].to_numpy()
    assert np.corrcoef(margin, true)[0, 1] > 0.85
    first, second = scores[::2], scores[1::2]
    assert (first["weight_help"] > first["weight_safe"]).mean() > 0.95
    assert (second["weight_safe"] > second["weight_help"]).mean() > 0.95


def test_common_weights_are_found_and_kept_where_prompts_do_not_matter() -> None:
    pairs, context, _ = rated(1500, by_topic=False)
    MultiReward(rewards=REWARDS, k=60).score(pairs, context)
    assert not context.facts["weights_by_prompt"]
    assert context.facts["weights"]["help"] == pytest.approx(2.0, abs=0.35)
    assert context.facts["weights"]["safe"] == pytest.approx(1.0, abs=0.25)


def test_weights_that_are_given_are_taken_and_need_no_embeddings() -> None:
    pairs, _, _ = rated(20, by_topic=False)
    scorer = MultiReward(rewards=REWARDS, weights={"help": 0.5, "safe": 2.0})
    assert Input.EMBEDDINGS not in scorer.inputs
    extra = [json.loads(e) for e in pairs["extra"]]
    expected = [0.5 * (e["help_chosen"] - e["help_rejected"]) + 2.0 * e["safe"] for e in extra]
    scores = scorer.score(pairs, Context())
    np.testing.assert_allclose(scores["margin"].to_numpy(), expected, rtol=1e-9)


def test_the_step_is_newtons() -> None:
    """Against autograd on the sum over the neighbours' pairs, in float64."""
    rng = np.random.default_rng(3)
    z, prompt = rng.normal(size=(30, 3)), rng.integers(6, size=30)
    neighbours = np.array([[(p + 1) % 6, (p + 2) % 6] for p in range(6)])
    neighbours[0, 1] = -1
    start = rng.normal(size=3)
    weights = local_weights(z, prompt, neighbours, start, 2.5)
    for p in range(6):
        near = [n for n in neighbours[p] if n >= 0]
        neighbour_differences = torch.from_numpy(z[np.isin(prompt, near)])

        def loss(
            w: torch.Tensor, differences: torch.Tensor = neighbour_differences
        ) -> torch.Tensor:
            away = w - torch.from_numpy(start)
            return -torch.nn.functional.logsigmoid(differences @ w).sum() + 2.5 / 8.0 * away @ away

        w0 = torch.from_numpy(start.copy()).requires_grad_()
        (slope,) = torch.autograd.grad(loss(w0), w0)
        bend = torch.autograd.functional.hessian(loss, w0.detach())
        step = w0.detach() - torch.linalg.solve(bend, slope)
        np.testing.assert_allclose(weights[p], step.numpy(), rtol=1e-9)


def test_missing_rewards_are_said() -> None:
    pairs, context, _ = rated(40, by_topic=False)
    pairs = pairs.with_columns(
        extra=pl.when(pl.int_range(pl.len()) == 3).then(pl.lit("{}")).otherwise("extra")
    )
    scores = MultiReward(rewards=REWARDS, k=5).score(pairs, context)
    assert scores["margin"].null_count() == 1
    assert scores["status"][3] == "a reward is missing"
    with pytest.raises(CurateError, match="rewards"):
        build_step(MultiReward, {}, "multi_reward")
    with pytest.raises(CurateError, match="no pair has a value"):
        MultiReward(rewards={"x": {"margin": "nowhere"}}).score(pairs, context)
    with pytest.raises(CurateError, match="trait 'lenght'"):
        build_step(MultiReward, {"rewards": {"x": {"trait": "lenght"}}}, "multi_reward")


def test_feature_reward_finds_the_coefficients() -> None:
    pairs, context, true = rated(2000, by_topic=False)
    scores = FeatureReward(features=REWARDS).score(pairs, context)
    rows = context.facts["coefficients"]
    # Differences of two standard normals have a root mean square of sqrt 2.
    assert rows["help"]["coefficient"] == pytest.approx(2.0 * np.sqrt(2), abs=0.35)
    assert rows["safe"]["low"] < np.sqrt(2) < rows["safe"]["high"]
    assert np.corrcoef(scores["margin"].to_numpy(), true)[0, 1] > 0.99
    assert 0.3 < context.facts["explained"] < 0.7


def test_feature_reward_reads_style_by_default() -> None:
    listed, plain = "- item\n" * 3, "just a text"
    rows = [
        {"prompt": f"p{i}"}
        | ({"chosen": f"{listed}{i}", "rejected": f"{plain} {i}"} if i % 4 else
           {"chosen": f"{plain} {i}", "rejected": f"{listed}{i}"})
        | ({"chosen": "```code```"} if i < 5 else {})
        for i in range(80)
    ]  # fmt: skip
    context = Context()
    scores = FeatureReward().score(pairs_of(rows), context)
    lists = context.facts["coefficients"]["list items"]
    assert (scores["probability"] > 0.5).mean() > 0.6
    assert lists["low"] > 0 or context.facts["coefficients"]["length"]["low"] > 0
    # Code always won, in five prompts.
    assert "code" in context.facts["left_out"]


def test_ratings_of_helpsteer_and_ultrafeedback(tmp_path: Path) -> None:
    base = {"prompt": "p", "correctness": 3, "coherence": 4, "complexity": 1, "verbosity": 2}
    rows = [
        {**base, "response": "a", "helpfulness": 1, "verbosity": 4},
        {**base, "response": "b", "helpfulness": 4},
    ]
    steer = read_pairs(str(write_jsonl(tmp_path / "h.jsonl", rows))).frame

    def completion(text: str, score: float, honesty: str, helpful: str) -> dict[str, object]:
        rated = {
            "honesty": {"Rating": honesty, "Rationale": "x"},
            "helpfulness": {"Rating": helpful},
        }
        return {"response": text, "overall_score": score, "annotations": rated, "model": "m"}

    ultra_rows = [
        {
            "instruction": "q",
            "source": "s",
            "completions": [
                completion("bad", 2.0, "5", "1"),
                completion("mid", 5.0, "1", "N/A"),
                completion("good", 8.0, "3", "5"),
            ],
        }
    ]
    path = str(write_jsonl(tmp_path / "u.jsonl", ultra_rows))
    ultra = read_pairs(path, ranking={"score": "overall"}).frame
    rewards = {"verbosity": {"rating": "verbosity"}}
    weights = {"verbosity": 1.0}
    assert (
        MultiReward(rewards=rewards, weights=weights).score(steer, Context())["margin"][0] == -2.0
    )
    rewards = {"honesty": {"rating": "honesty"}, "help": {"rating": "helpfulness"}}
    scorer = MultiReward(rewards=rewards, weights={"honesty": 1.0, "help": 10.0})
    assert scorer.score(ultra, Context())["margin"].to_list() == [-2.0 + 40.0]
