"""What the methods for taste, context and coverage find on real data.

python -m tests.benchmarks.findings FOLDER [--seeds 5] [--policy smollm2] [--only Auto-J]

FOLDER holds pandalm, auto-j, llmbar, hh-rlhf-harmless and llama-factory-dpo as published.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from curate import read_pairs
from curate.benchmark.data import BenchData, split_train_test, unanimous_data
from curate.benchmark.downstream import Weights, accuracy_by_weighting
from curate.benchmark.patterns import symmetric_flips
from curate.data.table import messages_text
from curate.derive.instructions import derive
from curate.models.embed.frame import embed_frame, embed_texts
from curate.models.embed.settings import EmbedderConfig
from curate.steps.context import Context, SilentProgress
from curate.steps.features import Features
from curate.steps.models import Inference
from curate.steps.registry import build_step, filter_class, scorer_class

SETS = {
    "PandaLM": "pandalm",
    "Auto-J": "auto-j",
    "LLMBar": "llmbar",
    "HH harmless": "hh-rlhf-harmless",
    "LF en": "llama-factory-dpo/dpo_en_demo.json",
    "LF zh": "llama-factory-dpo/dpo_zh_demo.json",
}
MARGIN, NEAR = "reward_margin.margin", "knn_diversity.distance"
FACTS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "pal": ({}, ("groups", "held_out_log_likelihood")),
    "disagreement": ({}, ("groups", "shares", "noise", "gain_of_cycles")),
    "general_preference": ({}, ("gain", "gain_standard_error", "intransitive_share")),
    "tournament": ({}, ("prompts_with_three_answers", "pairs_on_cycles", "clarity")),
    "label_em": (
        {"rates_by": "slot"},
        ("fitted_first_slot_lost", "fitted_second_slot_lost", "noise"),
    ),
    "feature_reward": ({}, ("explained", "coefficients")),
    "multi_reward": (
        {"rewards": {name: {"trait": name} for name in ("length", "list items", "refusal")}},
        ("weights", "gain_of_weights_by_prompt", "gain_standard_error", "weights_by_prompt"),
    ),
    "context": (
        {"by": "history"},
        ("pairs_with_several_contexts",),
    ),
}


@dataclass(frozen=True)
class Selection:
    """A way to keep a part of the pairs: scorers, then a filter, or a bool column of a scorer."""

    name: str
    scorers: dict[str, dict[str, Any]]
    filter: str | None
    parameters: dict[str, Any]
    column: str = ""


KNN = {"reward_margin": {}, "knn_diversity": {}}
SELECTIONS = (
    Selection("fifa, signed", KNN, "fifa", {"keep": 0.5, "diversity": NEAR}),
    Selection("fifa, absolute", KNN, "fifa", {"keep": 0.5, "diversity": NEAR, "sign": "absolute"}),
    Selection("pareto", KNN, "pareto", {"keep": 0.5, "criteria": {MARGIN: "max", NEAR: "max"}}),
    Selection(
        "challenging", {"uncertainty": {}}, "challenging", {"difficult": 0.7, "certain": 0.7}
    ),
    Selection(
        "delta on relevance",
        {"relevance": {}},
        "delta",
        {"chosen": "relevance.chosen", "rejected": "relevance.rejected", "min_gap": 0.0},
    ),
    Selection("diverse prompts", {"diverse_subset": {}}, None, {}, "diverse_subset.picked"),
    Selection(
        "diverse directions",
        {"diverse_subset": {"over": "directions"}},
        None,
        {},
        "diverse_subset.picked",
    ),
)


def kept_share(data: BenchData, way: Selection, context: Context) -> np.ndarray:
    """Which pairs a selection keeps."""
    frame = data.pairs
    for name, parameters in way.scorers.items():
        scores = build_step(scorer_class(name), parameters, name).score(
            data.pairs, context.for_step()
        )
        frame = frame.with_columns(scores[c].alias(f"{name}.{c}") for c in scores.columns)
    if way.filter is None:
        return frame[way.column].fill_null(False).to_numpy()
    verdict = build_step(filter_class(way.filter), way.parameters, way.filter).apply(frame, context)
    return verdict.keep.fill_null(False).to_numpy()


def selections(
    data: BenchData, rate: float, seeds: int
) -> Iterator[tuple[str, float, list[float]]]:
    """Share kept, and accuracy less that of a random part of the same size, for each seed."""
    gains: dict[str, list[float]] = {way.name: [] for way in SELECTIONS}
    shares: dict[str, list[float]] = {way.name: [] for way in SELECTIONS}
    for seed in range(seeds):
        rng = np.random.default_rng([seed, len(data.pairs)])
        train, held_out = split_train_test(data, seed)
        train = train.flipped(symmetric_flips(train, rate, rng))
        context = Context().for_pairs(seed, train.features)
        weights = {}
        for way in SELECTIONS:
            mask = kept_share(train, way, context)
            order = rng.permutation(len(mask))
            weights[way.name] = Weights(mask.astype(float))
            weights[f"random {way.name}"] = Weights((order < mask.sum()).astype(float))
            shares[way.name].append(float(mask.mean()))
        gain_by_name = accuracy_by_weighting(train, held_out, weights, style=False)
        for name, values in gains.items():
            values.append(gain_by_name[name] - gain_by_name[f"random {name}"])
    for name, values in gains.items():
        yield name, float(np.mean(shares[name])), values


def facts(pairs: pl.DataFrame, features: Features) -> None:
    """Print what each scorer found of the data set as a whole."""
    for name, (parameters, keys) in FACTS.items():
        context = Context().for_pairs(pairs, features)
        try:
            build_step(scorer_class(name), parameters, name).score(pairs, context)
        except Exception as error:
            print(f"    {name}: {str(error).splitlines()[0]}")
            continue
        output = {k: context.facts[k] for k in keys if k in context.facts}
        print(f"    {name}: {output} {' '.join(context.warnings)}")


@cache
def embedded(texts: tuple[str, ...]) -> Any:
    """Vectors of a set's prompts, made once."""
    return embed_texts(list(texts), EmbedderConfig(), Inference())


def coverage(pairs: pl.DataFrame, features: Features, targets: dict[str, list[str]]) -> None:
    """Print how the data covers the prompts of each other set."""
    for name, texts in targets.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "targets.parquet"
            pl.DataFrame({"prompt": texts}).write_parquet(path)
            context = Context(embed=lambda t: embedded(tuple(t))).for_pairs(pairs, features)
            build_step(scorer_class("coverage"), {"targets": [str(path)]}, "coverage").score(
                pairs, context
            )
        keys = ("coverage", "precision", "auroc", "effective_share")
        print(f"    coverage of {name}: { {k: context.facts[k] for k in keys} }")


def main() -> None:
    """Print all findings, data set by data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--policy", help="Causal model, for on_policy on 20 pairs of each set.")
    parser.add_argument("--only", action="append", choices=list(SETS), help="Sets; default all.")
    arguments = parser.parse_args()
    loaded = {
        name: read_pairs(str(arguments.folder / place), on_error="skip").frame
        for name, place in SETS.items()
    }
    prompts = {
        name: frame.select(p=messages_text("prompt"))["p"].unique(maintain_order=True).to_list()
        for name, frame in loaded.items()
    }
    for name in arguments.only or SETS:
        pairs = loaded[name]
        print(f"{name}: {len(pairs):,} pairs, {len(prompts[name]):,} prompts", flush=True)
        features, _ = embed_frame(pairs, EmbedderConfig(), "auto", SilentProgress())
        facts(pairs, features)
        coverage(pairs, features, {n: t for n, t in prompts.items() if n != name})
        results = build_step(scorer_class("multi_instruction"), {}, "m").score(pairs, Context())
        many = (results["count"] >= 2).mean()
        derived = derive(pairs, 2)
        print(
            f"    prompts of two constraints or more: {many:.1%}; derived: {len(derived.pairs):,}"
        )
        if arguments.policy:
            scorer = build_step(
                scorer_class("on_policy"), {"policy": arguments.policy}, "on_policy"
            )
            output = scorer.score(pairs.sample(min(20, len(pairs)), seed=0), Context())
            means = {c: round(float(output[c].drop_nulls().to_numpy().mean()), 3)
                     for c in ("chosen", "rejected", "weight")}  # fmt: skip
            print(f"    on_policy ({arguments.policy}): {means}", flush=True)
        data = unanimous_data(name, pairs, features)
        for rate in (0.0, 0.2):
            for way, share, gains in selections(data, rate, arguments.seeds):
                spread = np.std(gains, ddof=1)
                print(
                    f"    {rate:.0%} flips, {way}: keeps {share:.0%}, "
                    f"{np.mean(gains):+.3f} ±{spread:.3f} over a random part",
                    flush=True,
                )


if __name__ == "__main__":
    main()
