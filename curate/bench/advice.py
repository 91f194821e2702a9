"""What to do: a step that is proven, or the one that lost nothing elsewhere, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from curate.bench.actions import DEFAULT, as_lines
from curate.bench.gains import HARMS, HELPS, NOTHING, Gain, Rankings, gain_by_halves, visible
from curate.bench.own_labels import OwnNoise
from curate.recipes import Recipe


@dataclass(frozen=True)
class Advice:
    """What to do, for one data set, pattern and rate.

    Attributes:
        key: data set, pattern and rate.
        method: the step that is advised; None: keep everything.
        proven: whether it is shown on these labels that it helps.
        sentences: why, and what could not be seen.
        lines: of a pipeline.yaml that do it; empty where everything is kept.
    """

    key: dict[str, Any]
    method: str | None
    proven: bool
    sentences: list[str]
    lines: str


def advise(
    tested: Rankings, table: pl.DataFrame, writable: tuple[Recipe, ...], noise: OwnNoise | None
) -> Advice:
    """The advice of one experiment.

    Args:
        tested: held-out pairs under each method.
        table: their gains; rows of the summary of this experiment.
        writable: steps that may be advised.
        noise: of the labels that are tested on; None where they count as clean.
    """
    by_name = {r.name: r for r in writable}
    method: str | None
    rows = table.filter(pl.col("method").is_in(list(by_name)))
    helping = rows.filter(pl.col("verdict") == HELPS).sort("gain", descending=True)
    harming = rows.filter(pl.col("verdict") == HARMS)["method"].to_list()
    if len(helping):
        best = helping.row(0, named=True)
        # The best of many looks better than it is: so it is measured where it was not chosen.
        said = [_helps(best, noise), _chosen(gain_by_halves(tested, list(by_name)))]
        method, proven = str(best["method"]), True
    else:
        method, proven = _unproven(rows, by_name, noise), False
        said = [_unseen(rows, len(tested.prompts)), _fallback(method)]
    if harming:
        said.append(f"Harm is shown of: {', '.join(harming)}.")
    lines = as_lines(by_name[method]) if method is not None else ""
    return Advice(tested.key, method, proven, [s for s in said if s], lines)


def _helps(best: dict[str, Any], noise: OwnNoise | None) -> str:
    low, high = best["gain_low"], best["gain_high"]
    where = "clean held-out pairs" if noise is None else "held-out pairs as labelled"
    if noise is not None and noise.judged:
        where = "judged pairs"
    text = (
        f"'{best['method']}' helps: {points(best['gain'])} of accuracy on {where} "
        f"(95 %: {_span(low, high)}; p {best['p']:.2g} after Holm)"
    )
    if noise is None or noise.judged:
        return f"{text}."
    clean = noise.on_clean(low, high)
    if clean is None:
        return f"{text}; more on clean labels, since noise shrinks differences."
    return f"{text}; on clean labels {_span(*clean)}."


def _chosen(gain: Gain) -> str:
    return (
        "Chosen on one half of the prompts and measured on the other it is "
        f"{points(gain.mean)} ({_span(gain.low, gain.high)})."
    )


def _unseen(rows: pl.DataFrame, count: int) -> str:
    """What these pairs cannot show."""
    acting = rows.filter(pl.col("verdict") != NOTHING)
    if not len(acting):
        return "No step changes anything: heads learn nothing from these labels."
    least = visible(acting)
    if least is None:
        return "No step is shown to help."
    return (
        f"No step is shown to help: with {count:,} held-out pairs only gains above "
        f"{100 * least:.1f} points would show."
    )


def _unproven(rows: pl.DataFrame, by_name: dict[str, Recipe], noise: OwnNoise | None) -> str | None:
    """The default step, unless it harms, does nothing, or heads learn nothing."""
    found = rows.filter(pl.col("method") == DEFAULT)
    if DEFAULT not in by_name or not len(found) or found["verdict"][0] in (HARMS, NOTHING):
        return None
    if noise is not None and not noise.learnt.ok:
        return None
    return DEFAULT


def _fallback(method: str | None) -> str:
    if method is None:
        return (
            f"Keep everything: '{DEFAULT}' changes nothing here, harms, or could act by chance. "
            "Where judged pairs say that many labels are wrong: noise_score with 'accept_chance: "
            "true' (docs/proof.md)."
        )
    return (
        f"Not proven here: '{method}' cost less than half a point in the mean of six public sets, "
        "and gained where labels were flipped (docs/proof.md); or keep everything."
    )


def points(value: float) -> str:
    """A difference of accuracies in percentage points."""
    return f"{100 * value:+.1f} points"


def _span(low: float, high: float) -> str:
    return f"{100 * low:+.1f} to {100 * high:+.1f}"
