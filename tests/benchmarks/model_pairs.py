"""Pairs of models' answers with GPT-4's preferences: AlpacaEval's file, which is never copied.

The file holds `instruction`, `output_1` (the baseline's), `output_2`, `generator_2` and
`preference` (1 to 2; above 1.5 the second answer is better).
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from curate.benchmark.data import BenchData, unanimous_data
from curate.models.embed.frame import embed_frame
from curate.models.embed.settings import EmbedderConfig
from curate.read.pairs import read_pairs
from curate.steps.context import SilentProgress
from curate.store.store import open_store

_TIE = 0.05
_TINY = 1e-7
_MIN_GAP = 1.0
"""Nats by which GPT-4 must prefer one of two models' answers, both judged against the baseline."""


def bench_data(rows: pl.DataFrame | Path, name: str) -> BenchData:
    """Rows of prompt, chosen and rejected, or a file, with static embeddings.

    Answers on which votes differ, and repeated ones, are left out.
    """
    pairs = read_pairs(rows).frame
    settings = EmbedderConfig(name="static")
    features, _ = embed_frame(pairs, settings, open_store("auto"), SilentProgress())
    return unanimous_data(name, pairs, features)


def against_baseline(path: Path, generator: str | None = None) -> BenchData:
    """All pairs, or those of one model, without ties."""
    raw = pl.read_parquet(path).filter((pl.col("preference") - 1.5).abs() > _TIE)
    if generator is not None:
        raw = raw.filter(pl.col("generator_2") == generator)
    return bench_data(oriented(raw, pl.col("preference") > 1.5), generator or "baseline")


def gaps_between_models(path: Path) -> pl.DataFrame:
    """Two models' answers to one prompt, of which GPT-4 prefers one; `first_wins` says which."""
    odds = (pl.col("preference") - 1.0 + _TINY).log() - (2.0 - pl.col("preference") + _TINY).log()
    raw = pl.read_parquet(path).with_columns(odds=odds)
    raw = raw.unique(["instruction", "generator_2"], keep="first", maintain_order=True)
    both = raw.join(raw, on="instruction", suffix="_b", maintain_order="left_right")
    both = both.filter(
        pl.col("generator_2") < pl.col("generator_2_b"),
        pl.col("output_2") != pl.col("output_2_b"),
        (pl.col("odds") - pl.col("odds_b")).abs() > _MIN_GAP,
    )
    return both.select(
        "instruction",
        output_1="output_2",
        output_2="output_2_b",
        model_1="generator_2",
        model_2="generator_2_b",
        first_wins=pl.col("odds") > pl.col("odds_b"),
    )


def between_models(path: Path, count: int) -> BenchData:
    """A random sample of pairs of any two models."""
    sample = gaps_between_models(path).sample(count, seed=0, shuffle=True)
    return bench_data(oriented(sample, ~pl.col("first_wins")), "between models")


def oriented(raw: pl.DataFrame, second_wins: pl.Expr) -> pl.DataFrame:
    """Prompt, chosen and rejected, and whether the second answer was chosen."""
    return raw.select(
        prompt="instruction",
        chosen=pl.when(second_wins).then("output_2").otherwise("output_1"),
        rejected=pl.when(second_wins).then("output_1").otherwise("output_2"),
        second_wins=second_wins,
    )
