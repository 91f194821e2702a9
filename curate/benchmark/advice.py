"""What to do: the step whose gain is surest, else the one that cost nothing elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from curate.benchmark.actions import DEFAULT, pipeline_lines
from curate.benchmark.condition import Condition
from curate.benchmark.paired_gains import (
    HARMS,
    HELPS,
    NOTHING,
    PairedGain,
    Rankings,
    gain_by_halves,
    smallest_visible_gain,
)
from curate.benchmark.summary import MethodResult, method_results
from curate.data.json_result import JsonResult
from curate.data.json_types import Json
from curate.recipes import Recipe


@dataclass(frozen=True)
class Advice(JsonResult):
    """What to do, for one data set, pattern and rate.

    Attributes:
        key: dataset, pattern and rate.
        method: the step that is advised; None: keep everything.
        proven: whether it is shown on these labels that it helps.
        sentences: why, and what could not be seen.
        lines: pipeline.yaml that does it; empty where everything is kept.
        next_step: what would show more, with its commands; empty where enough is shown.
    """

    key: Condition
    method: str | None
    proven: bool
    sentences: list[str]
    lines: str
    next_step: str = ""


def advise(
    tested: Rankings,
    table: pl.DataFrame,
    writable: tuple[Recipe, ...],
    sections: Mapping[str, Json] | None = None,
) -> Advice:
    """The advice of one experiment.

    Of the steps that help it is the one of the highest lower limit; where none is shown to help,
    the default step, unless it does harm.

    Args:
        tested: held-out pairs under each method.
        table: their gains; rows of the summary of this experiment.
        writable: steps that may be advised.
        sections: of the pipeline that is printed, beside scorers and filters.
    """
    by_name = {r.name: r for r in writable}
    method: str | None
    rows = table.filter(pl.col("method").is_in(list(by_name)))
    helping = rows.filter(pl.col("verdict") == HELPS).sort("gain_low", descending=True)
    harming = rows.filter(pl.col("verdict") == HARMS)["method"].to_list()
    if len(helping):
        best = method_results(helping.head(1))[0]
        # The best of many looks better than it is: so it is measured where it was not chosen.
        sentences = [_helps(best), _chosen(gain_by_halves(tested, list(by_name)))]
        method, proven = best.method, True
    else:
        method, proven = _unproven(rows, by_name), False
        sentences = [_unseen(rows, len(tested.prompts)), _fallback(method, rows)]
    if harming:
        sentences.append(f"Shown to harm: {', '.join(harming)}.")
    lines = pipeline_lines(by_name[method], sections) if method is not None else ""
    return Advice(tested.key, method, proven, [s for s in sentences if s], lines)


def _helps(best: MethodResult) -> str:
    corrected = "" if best.method == DEFAULT else " after Holm"
    return (
        f"'{best.method}' helps: {points(best.gain)} of accuracy on clean held-out labels "
        f"(95 %: {_interval(best.gain_low, best.gain_high)}; p {best.p:.2g}{corrected})."
    )


def _chosen(gain: PairedGain) -> str:
    return (
        "Choosing a step on one half of the prompts gains "
        f"{points(gain.mean)} on the other ({_interval(gain.low, gain.high)})."
    )


def _unseen(rows: pl.DataFrame, count: int) -> str:
    """What these pairs cannot show."""
    acting = rows.filter(pl.col("verdict") != NOTHING)
    if not len(acting):
        return "No step changes how a held-out pair is ranked."
    smallest = smallest_visible_gain(acting)
    if smallest is None:
        return "No step is shown to help."
    return (
        f"No step is shown to help: {count:,} held-out pairs would show gains above "
        f"{100 * smallest:.1f} points."
    )


def _unproven(rows: pl.DataFrame, by_name: dict[str, Recipe]) -> str | None:
    """The default step, unless it is shown to harm."""
    default = rows.filter(pl.col("method") == DEFAULT)
    if DEFAULT not in by_name or not len(default) or default["verdict"][0] == HARMS:
        return None
    return DEFAULT


def _fallback(method: str | None, rows: pl.DataFrame) -> str:
    if method is None:
        return f"Keep everything: '{DEFAULT}' is shown to harm here, or was not tried."
    (default,) = method_results(rows.filter(pl.col("method") == method))
    interval = _interval(default.gain_low, default.gain_high)
    return (
        f"Default, not proven here: '{method}' (estimate {points(default.gain)}, 95 %: {interval})."
        " On small public sets it cost nothing on clean labels; on 8,000 pairs with 40 % flips it "
        "regained most of their cost (docs/explanation/proof.md)."
    )


def points(value: float) -> str:
    """A difference of accuracies in percentage points."""
    return f"{100 * value:+.1f} points"


def _interval(low: float, high: float) -> str:
    return f"{100 * low:+.1f} to {100 * high:+.1f}"
