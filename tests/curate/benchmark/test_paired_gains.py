"""Gains hold their level on simulated differences, and the best of several is not believed."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from curate.benchmark.actions import DEFAULT
from curate.benchmark.condition import Condition
from curate.benchmark.paired_gains import (
    HARMS,
    HELPS,
    NOTHING,
    UNSEEN,
    Rankings,
    gain_by_halves,
    gain_table,
    holm_correction,
    paired_gain,
    smallest_visible_gain,
)

KEY = Condition("d", "p", 0.0)


def draw_differences(
    rng: np.random.Generator, gain: float, prompts: int = 200
) -> tuple[np.ndarray, ...]:
    """Differences of two pairs a prompt, with effects that prompts and draws share."""
    prompt = np.repeat(np.arange(prompts), 2)
    seed = prompt % 5
    shared = rng.normal(0, 0.2, prompts)[prompt] + rng.normal(0, 0.02, 5)[seed]
    return gain + shared + rng.normal(0, 0.2, len(prompt)), prompt, seed


def test_intervals_hold_the_true_gain() -> None:
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(400):
        estimated = paired_gain(*draw_differences(rng, 0.03))
        covered.append(estimated.low <= 0.03 <= estimated.high)
    assert 0.9 <= np.mean(covered) <= 0.99


def test_pairs_of_one_prompt_are_no_independent_evidence() -> None:
    difference, prompt, _ = draw_differences(np.random.default_rng(1), 0.0)
    copies, one = np.repeat(difference, 4), np.zeros(4 * len(difference), dtype=np.int64)
    apart = paired_gain(copies, np.arange(len(copies)), one)
    together = paired_gain(copies, np.repeat(prompt, 4), one)
    assert together.error > 1.8 * apart.error
    assert together.error == pytest.approx(
        paired_gain(difference, prompt, one[: len(prompt)]).error
    )


def test_one_draw_and_no_difference() -> None:
    zeros = np.zeros(10)
    estimated = paired_gain(zeros, np.arange(10), np.zeros(10, dtype=np.int64))
    assert (estimated.mean, estimated.error, estimated.p) == (0.0, 0.0, 1.0)


def test_holm_by_hand() -> None:
    # 3 x .01, then 2 x .02, then 1 x .03, never falling: .03, .04, .04.
    assert holm_correction(np.array([0.02, 0.01, 0.03])).tolist() == pytest.approx(
        [0.04, 0.03, 0.04]
    )
    assert holm_correction(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]
    assert len(holm_correction(np.array([]))) == 0


def rankings(gains: dict[str, float], seed: int = 0, prompts: int = 400) -> Rankings:
    """Accuracy .6 of keeping all; other methods differ by a mean and noise."""
    rng = np.random.default_rng(seed)
    base = (rng.random(prompts) < 0.6).astype(float)
    columns = [base, *(base + g + rng.normal(0, 0.3, prompts) for g in gains.values())]
    numbers = np.arange(prompts)
    right = np.stack(columns, axis=1)
    return Rankings(KEY, ["keep all", *gains], right, numbers, numbers, numbers % 5)


def test_verdicts() -> None:
    estimated = rankings({"good": 0.2, "bad": -0.2, "unknown": 0.0})
    same = Rankings(
        KEY,
        [*estimated.methods, "same"],
        np.column_stack([estimated.right, estimated.right[:, 0]]),
        estimated.rows,
        estimated.prompts,
        estimated.seeds,
    )
    table = gain_table(same, ["good", "bad", "unknown", "same"])
    verdicts = dict(table.select("method", "verdict").iter_rows())
    assert verdicts == {"good": HELPS, "bad": HARMS, "unknown": UNSEEN, "same": NOTHING}
    assert gain_table(estimated, []).columns == table.columns
    least = smallest_visible_gain(table)
    assert least is not None
    # 2.8 standard errors of .3 / sqrt(400), or a bit more where draws differ.
    assert 0.035 < least < 0.08
    assert smallest_visible_gain(table.filter(pl.col("method") == "same")) is None


def test_many_methods_that_do_nothing_rarely_help() -> None:
    wrong = 0
    for seed in range(60):
        table = gain_table(rankings({f"m{i}": 0.0 for i in range(12)}, seed, 150), [
            f"m{i}" for i in range(12)
        ])  # fmt: skip
        wrong += (table["verdict"] != UNSEEN).any()
    assert wrong <= 9


def test_the_default_step_is_tested_by_itself() -> None:
    gains = {"flip": 0.04, DEFAULT: 0.04, "drop_wrong": 0.03}
    estimated = rankings(gains)
    table = gain_table(estimated, list(gains))
    uncorrected = {name: estimated.gain(name).p for name in gains}
    corrected = dict(table.select("method", "p").iter_rows())
    assert corrected[DEFAULT] == uncorrected[DEFAULT]
    pair = holm_correction(np.array([uncorrected["flip"], uncorrected["drop_wrong"]]))
    assert [corrected["flip"], corrected["drop_wrong"]] == pair.tolist()


def test_the_best_of_many_is_measured_on_pairs_that_did_not_choose_it() -> None:
    halves, naive = [], []
    for seed in range(40):
        family = [f"m{i}" for i in range(12)]
        estimated = rankings(dict.fromkeys(family, 0.0), seed, 150)
        halves.append(gain_by_halves(estimated, family).mean)
        naive.append(max(estimated.gain(m).mean for m in family))
    assert abs(np.mean(halves)) < 0.012
    assert np.mean(naive) > 0.02
    sure = gain_by_halves(rankings({"a": 0.2, "b": 0.0}), ["a", "b"])
    assert sure.low > 0.1
    # Keeping all is chosen where everything loses.
    assert gain_by_halves(rankings({"a": -0.2}), ["a"]).mean == 0.0
