from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from curate.benchmark.method_comparison import compare_methods


def rows(
    means: dict[str, float], noise: float, seeds: int = 8, common: float = 0.1, draw: int = 0
) -> pl.DataFrame:
    """Measures of methods: a mean, an effect that all share in a seed, and noise of their own."""
    rng = np.random.default_rng(draw)
    shared = rng.normal(0, common, seeds)
    table_rows = [
        {
            "dataset": "d", "pattern": "symmetric", "rate": 0.2, "method": name, "seed": seed,
            "auroc": mean + shared[seed] + rng.normal(0, noise), "downstream_accuracy": None,
        }
        for name, mean in means.items()
        for seed in range(seeds)
    ]  # fmt: skip
    return pl.DataFrame(table_rows, schema_overrides={"downstream_accuracy": pl.Float64})


def test_noise_is_the_standard_error_without_what_seeds_share() -> None:
    means = {f"m{i}": 0.5 + 0.02 * i for i in range(30)}
    (comparison,) = compare_methods(rows(means, 0.04, seeds=16))
    mean = np.mean(list(means.values()))
    assert comparison.noise == pytest.approx(0.04 / 4 / mean, rel=0.1)
    # The paper's: the range of the scores over their mean.
    assert comparison.signal == pytest.approx(0.58 / mean, rel=0.1)
    assert comparison.ratio == pytest.approx(comparison.signal / comparison.noise)
    assert "clearly" in comparison.text


def test_equal_methods_are_said_to_be_equal() -> None:
    (comparison,) = compare_methods(rows({f"m{i}": 0.6 for i in range(10)}, 0.03))
    # The range of equal methods grows with their number: the ratio alone would call them different.
    assert comparison.ratio > 1
    assert "are not significant" in comparison.text
    assert len(comparison.tied) >= 8


def test_who_cannot_be_told_from_the_best() -> None:
    (comparison,) = compare_methods(rows({"a": 0.7, "b": 0.699, "c": 0.4, "d": 0.39}, 0.02, draw=1))
    assert {comparison.best, *comparison.tied} == {"a", "b"}
    assert "is not significantly better than" in comparison.text


def test_one_seed_says_nothing() -> None:
    assert compare_methods(rows({"a": 0.7, "b": 0.5}, 0.02, seeds=1)) == []
