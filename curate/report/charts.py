"""Data of the report's charts, small whatever the number of pairs: counted or sampled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from curate.data.hashes import select_in_batches
from curate.data.table import batches, messages_text
from curate.report.run_view import RunView, sampled

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 40
# Of a scatter plot: more hide each other.
POINTS = 1500
# Characters of a text in a label: more would cover the plot.
_HOVER = 220
# Of single precision: more would be file size without a meaning.
_DIGITS = 7
_KINDS, _NO_KINDS = 8, (".status", ".names")
# Values from which the edges of a histogram are taken.
_SAMPLE = 100_000
# Of which bins are counted at a time.
_BATCH = 65_536
_TAIL = 0.005
"""Share of values at each end that a histogram gathers in its outermost bins."""


def funnel(view: RunView) -> list[dict[str, Any]]:
    """Pairs before and after each filter, the reading first."""
    steps = view.manifest["steps"]
    rows = [{"name": "read", "in": view.manifest["rows"]["in"], "out": view.manifest["rows"]["in"]}]
    rows += [
        {"name": s["name"], "in": s["rows_in"], "out": s["rows_out"]}
        for s in steps
        if s["kind"] == "filter"
    ]
    return rows


def histograms(view: RunView) -> dict[str, dict[str, Any]]:
    """For each score the edges of its bins, and how many kept and dropped pairs lie in each.

    Values beyond the 0.5 and 99.5 % quantiles are counted in the outermost bins.
    """
    found = {}
    for name in view.numeric:
        values = view.frame[name]
        low, high = _ends(values)
        if low is None or high is None:
            continue
        edges = np.linspace(low, high if high > low else low + 1.0, BINS + 1)
        both = _counts(values, view.kept, edges)
        found[name] = {
            "edges": [_short(e) for e in edges],
            "kept": both[1].tolist(),
            "dropped": both[0].tolist(),
            "missing": len(values) - int(both.sum()),
        }
    return found


def _ends(values: pl.Series) -> tuple[float | None, float | None]:
    """Where bins begin and end: quantiles, of many values by a regular sample of them.

    None where nothing is known.
    """
    some = values.gather_every(max(len(values) // _SAMPLE, 1)).cast(pl.Float64).to_numpy()
    some = some[np.isfinite(some)]
    low, high = np.quantile(some, [_TAIL, 1.0 - _TAIL]) if len(some) else (0.0, 0.0)
    if low < high:
        return float(low), float(high)
    # Nearly all values are one, or none is known: the tails are then what there is to see.
    known = values.cast(pl.Float64).to_numpy()
    known = known[np.isfinite(known)]
    return (float(known.min()), float(known.max())) if len(known) else (None, None)


def _counts(
    values: pl.Series, kept: NDArray[np.bool_], edges: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Dropped and kept values in each bin of equal width, (2, bins).

    What lies beyond is counted in the outermost bins, what is not known in none.
    """
    width = (edges[-1] - edges[0]) / BINS
    found = np.zeros(2 * BINS, dtype=np.int64)
    for rows in batches(len(values), _BATCH):
        own = values[rows].cast(pl.Float64).to_numpy()
        known = np.isfinite(own)
        place = np.clip((own[known] - edges[0]) / width, 0, BINS - 1).astype(np.int64)
        # One pass for both kinds: the kept ones are counted behind the dropped ones.
        found += np.bincount(place + BINS * kept[rows][known], minlength=2 * BINS)
    return found.reshape(2, BINS)


def points(view: RunView) -> dict[str, Any]:
    """Scores, fate and the beginning of the texts of pairs drawn at random, for scatter plots."""
    rows = sampled(view.frame, POINTS)
    shown = rows.select(
        p=_beginning("prompt"),
        c=_beginning("chosen"),
        r=_beginning("rejected"),
        why=pl.concat_str(pl.col("drop_step"), pl.col("drop_reason"), separator=": "),
    )
    scores = {
        name: [_short(v) for v in rows[name].cast(pl.Float64).to_list()] for name in view.numeric
    }
    return {
        "total": len(view.frame),
        "id": rows["pair_id"].to_list(),
        "kept": rows["kept"].to_list(),
        "prompt": shown["p"].to_list(),
        "chosen": shown["c"].to_list(),
        "rejected": shown["r"].to_list(),
        "why": shown["why"].to_list(),
        "scores": scores,
    }


def length_bias(view: RunView) -> dict[str, Any]:
    """How much longer the chosen answers are than the rejected ones, before and after filters.

    Histograms of log2(characters of chosen / characters of rejected), each a share of its pairs,
    and the share of pairs whose chosen answer is longer.
    """
    # A logarithm, so that twice as long and half as long lie as far from equal.
    c, r = (messages_text(side).str.len_chars() + 1 for side in ("chosen", "rejected"))
    ratio = select_in_batches(view.frame, ratio=(c / r).log(2).cast(pl.Float32))["ratio"].to_numpy()
    votes = ~view.frame["is_tie"].to_numpy()
    edges = np.linspace(-4.0, 4.0, BINS + 1)
    found: dict[str, Any] = {"edges": [_short(e) for e in edges]}
    for name, side in (("before", votes), ("after", votes & view.kept)):
        chosen = ratio[side]
        counts = np.histogram(np.clip(chosen, -4.0, 4.0), edges)[0]
        total = max(len(chosen), 1)
        longer, shorter = int((chosen > 0).sum()), int((chosen < 0).sum())
        found[name] = {
            "pairs": len(chosen),
            "share": (counts / total).round(5).tolist(),
            "longer": longer / max(longer + shorter, 1),
        }
    return found


def groups(view: RunView, column: str, most: int = 30) -> list[dict[str, Any]]:
    """Pairs, share kept and mean doubt of each annotator or source, the largest first."""
    if view.frame[column].n_unique() < 2:
        return []
    doubt = view.suspicion[0] if view.suspicion else None
    mean = pl.col(doubt).cast(pl.Float64).mean() if doubt else pl.lit(None, dtype=pl.Float64)
    read = dict.fromkeys((column, "kept", "is_tie", *([doubt] if doubt else [])))
    table = (
        view.frame[[*read]]
        .group_by(pl.col(column).fill_null("(none)").alias("name"))
        .agg(
            pairs=pl.len(),
            kept=pl.col("kept").mean(),
            ties=pl.col("is_tie").mean(),
            doubt=mean,
        )
        .sort("pairs", "name", descending=[True, False])
    )
    return table.head(most).to_dicts()


def kinds(view: RunView) -> dict[str, list[dict[str, Any]]]:
    """Of each score that sorts pairs into a few kinds (2 to 8 words): pairs, share, share kept."""
    found = {}
    for name, dtype in view.frame.schema.items():
        if dtype != pl.String or "." not in name or name.endswith(_NO_KINDS):
            continue
        known = view.frame[[name, "kept"]].rename({name: "kind"}).drop_nulls("kind")
        if not 1 < known["kind"].n_unique() <= _KINDS:
            continue
        table = known.group_by("kind").agg(
            pairs=pl.len(), share=pl.len() / len(known), kept=pl.col("kept").mean()
        )
        found[name] = table.sort("pairs", "kind", descending=[True, False]).to_dicts()
    return found


def _beginning(part: str) -> pl.Expr:
    text = messages_text(part)
    cut = text.str.len_chars() > _HOVER
    return pl.when(cut).then(text.str.slice(0, _HOVER) + pl.lit("…")).otherwise(text)


def _short(value: Any) -> float | None:
    """A number with the digits that a plot can show, None for a missing one."""
    if value is None or not np.isfinite(value):
        return None
    return float(f"{value:.{_DIGITS}g}")
