"""A bench from Python: what `curate bench` prints, as an object."""

from __future__ import annotations

import polars as pl

from curate.benchmark.command import bench_datasets
from curate.benchmark.data import FOLDS
from curate.benchmark.report import BenchReport
from curate.benchmark.run import BenchPlan
from curate.models.embed.settings import EmbedderConfig, EmbedderSource
from curate.read.pairs import Pairs, read_pairs
from curate.steps.context import Progress, SilentProgress
from curate.steps.registry import validate_model
from curate.verdicts.gold import GoldSource, to_gold_config


def bench(
    data: object,
    *,
    name: str = "pairs",
    noise: tuple[float, ...] = (),
    patterns: tuple[str, ...] = ("symmetric",),
    seeds: int = FOLDS,
    gold: GoldSource | pl.DataFrame = None,
    embedder: EmbedderSource = "auto",
    progress: Progress | None = None,
    store: str | None = "auto",
) -> BenchReport:
    """Test steps on the labels as they are, and with flips where `noise` names shares.

    Args:
        data: pairs of `read_pairs`, or anything it accepts.
        name: the dataset's name in tables.
        noise: shares of labels to flip.
        patterns: flip patterns.
        seeds: draws; five in a row test every prompt once.
        gold: reviews, taken as the truth: files of verdicts, {"column": "extra.x"}, or a table.
        embedder: its name or settings.
        progress: receives the progress; default none.
        store: see `store` in pipeline.yaml.

    Raises:
        CurateError: a mistake in the options, or data that cannot be read.

    Examples:
        >>> rows = [{"prompt": f"{n}?", "chosen": f"{n}", "rejected": "?"} for n in range(60)]
        >>> [advice.proven for advice in bench(rows, seeds=1).advice]
        [False]
    """
    pairs = data if isinstance(data, Pairs) else read_pairs(data)
    pairs.require_two_answers("bench")
    settings = validate_model(EmbedderConfig, embedder, "embedder")
    plan = BenchPlan(noise, patterns, seeds)
    reporter = progress or SilentProgress()
    verdicts = gold if isinstance(gold, pl.DataFrame) else to_gold_config(gold)
    return bench_datasets([(name, pairs)], plan, reporter, None, settings, store, verdicts)
