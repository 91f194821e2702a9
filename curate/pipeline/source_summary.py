"""What a run did to each source: counts, length and a bound on its noise rate."""

from __future__ import annotations

import numpy as np
import polars as pl

from curate.data.row_selection import RowSelection
from curate.data.table import messages_text
from curate.steps.context import Context
from curate.write.manifest import SourceSummary

_MARGINS = ("label_em.margin", "noise_score.margin")
# More sources would fill the manifest; a noise rate needs at least so many pairs.
_MOST, _FEWEST = 30, 50


def summarise_by_source(
    pairs: pl.DataFrame, kept_pairs: RowSelection, scores: pl.DataFrame
) -> tuple[SourceSummary, ...]:
    """Return a summary of each source, the largest first; none where there is a single one.

    Args:
        pairs: all pairs as read.
        kept_pairs: the kept pairs, as filters left them.
        scores: scores of all pairs, in their order.
    """
    names = pairs["source"].value_counts(name="n", sort=True).drop_nulls().head(_MOST)
    if len(names) < 2:
        return ()
    before, after = _longer_signs(RowSelection.from_table(pairs)), _longer_signs(kept_pairs)
    kept_sources = kept_pairs.select(["source"])["source"]
    margin = next((scores[c] for c in _MARGINS if c in scores.columns), None)
    summaries = []
    for name, count in names.iter_rows():
        is_of_source = pairs["source"] == name
        is_kept_of_source = kept_sources == name
        noise = None
        if margin is not None:
            noise = _noise_bound_text(pairs.filter(is_of_source), margin.filter(is_of_source))
        summaries.append(
            SourceSummary(
                name,
                count,
                int(is_kept_of_source.sum()),
                _longer_share(before.filter(is_of_source)),
                _longer_share(after.filter(is_kept_of_source)),
                noise,
            )
        )
    return tuple(summaries)


def _longer_signs(pairs: RowSelection) -> pl.Series:
    """Return +1 where chosen is longer, -1 where rejected is; null for ties."""
    sizes = [messages_text(s).str.len_chars().cast(pl.Int64) for s in ("chosen", "rejected")]
    # In a tie neither answer is preferred, whichever column it stands in.
    sign = pl.when(~pl.col("is_tie")).then((sizes[0] - sizes[1]).sign())
    batches = pairs.iter_batches(["chosen", "rejected", "is_tie"])
    return pl.concat([batch.select(s=sign) for batch in batches])["s"]


def _longer_share(signs: pl.Series) -> float | None:
    compared = signs.drop_nulls()
    differ = int((compared != 0).sum())
    return round(int((compared > 0).sum()) / differ, 4) if differ else None


def _noise_bound_text(pairs: pl.DataFrame, margin: pl.Series) -> str:
    is_voted = margin.is_not_null() & ~pairs["is_tie"]
    if int(is_voted.sum()) < _FEWEST:
        return f"too few pairs ({int(is_voted.sum())})"
    from curate.models.heads.noise.label_rules import find_label_rule
    from curate.models.heads.noise.rate import noise_bound_from_margins, not_estimable

    voted = pairs.filter(is_voted)
    groups = Context().prompt_groups(voted)
    if rule := find_label_rule(voted, groups):
        return not_estimable(rule).short
    return noise_bound_from_margins(
        margin.filter(is_voted).to_numpy().astype(np.float64), groups
    ).short
