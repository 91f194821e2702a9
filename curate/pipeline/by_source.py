"""What a run did to each source: counts, length, and what is told of its noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from curate.data.pair_rows import PairRows
from curate.data.table import messages_text
from curate.steps.context import Context

_MARGINS = ("label_em.margin", "noise_score.margin")
# The largest sources are told; a noise rate needs at least so many pairs.
_MOST, _FEWEST = 30, 50


def by_source(pairs: pl.DataFrame, kept: PairRows, scores: pl.DataFrame) -> list[dict[str, Any]]:
    """One entry a source, the largest first; none where there is a single one.

    Each holds pairs, kept, the share whose chosen answer is longer before and after (of pairs that
    differ), and the bound of its wrong labels by held-out heads.

    Args:
        pairs: all pairs as read.
        kept: those that were kept, as filters left them.
        scores: of all pairs, in their order.
    """
    names = pairs["source"].value_counts(name="n", sort=True).drop_nulls().head(_MOST)
    if len(names) < 2:
        return []
    before, after = _longer(PairRows.whole(pairs)), _longer(kept)
    left = kept.select(["source"])["source"]
    margin = next((scores[c] for c in _MARGINS if c in scores.columns), None)
    found = []
    for name, count in names.iter_rows():
        own = pairs["source"] == name
        entry = {
            "source": name,
            "pairs": count,
            "kept": int((left == name).sum()),
            "longer_before": _share(before.filter(own)),
            "longer_after": _share(after.filter(left == name)),
        }
        if margin is not None:
            entry["noise"] = _noise(pairs.filter(own), margin.filter(own))
        found.append(entry)
    return found


def _longer(pairs: PairRows) -> pl.Series:
    """+1 where chosen is longer, -1 where rejected is; null for ties."""
    sizes = [messages_text(s).str.len_chars().cast(pl.Int64) for s in ("chosen", "rejected")]
    sign = pl.when(~pl.col("is_tie")).then((sizes[0] - sizes[1]).sign())
    parts = pairs.parts(["chosen", "rejected", "is_tie"])
    return pl.concat([part.select(s=sign) for part in parts])["s"]


def _share(signs: pl.Series) -> float | None:
    known = signs.drop_nulls()
    differ = int((known != 0).sum())
    return round(int((known > 0).sum()) / differ, 4) if differ else None


def _noise(pairs: pl.DataFrame, margin: pl.Series) -> str:
    known = margin.is_not_null() & ~pairs["is_tie"]
    if int(known.sum()) < _FEWEST:
        return f"too few pairs ({int(known.sum())})"
    from curate.models.heads.noise.label_rules import find_label_rule
    from curate.models.heads.noise.rate import noise_bound_from_margins, not_estimable

    voted = pairs.filter(known)
    groups = Context().prompt_groups(voted)
    if rule := find_label_rule(voted, groups):
        return not_estimable(rule).short
    return noise_bound_from_margins(
        margin.filter(known).to_numpy().astype(np.float64), groups
    ).short
