"""Cycles among the votes on one prompt."""

from __future__ import annotations

import numpy as np
import polars as pl

from curate import LOWER, Column, Context, Parameters, Scorer
from curate.models.people.tournament import build_tournaments, mean_clarity

FEW = "fewer than three answers"


class Tournament(Scorer[Parameters]):
    """Marks pairs inside a strongly connected component of the answers to their prompt.

    ELSPR drops them: {type: expression, drop: "`tournament.on_cycle`"}. It needs prompts with three
    compared answers or more; where each prompt has one pair use `general_preference`.
    """

    name = "tournament"
    purpose = "taste, annotators, context"
    when = "When three or more answers to one prompt were compared. Finds single cycles."
    summary = "pairs on cycles of preference among the answers to one prompt, and entropy (ELSPR)"
    reference = "ELSPR, arXiv 2505.17691"
    from_labels = True
    Params = Parameters

    def columns(self) -> tuple[Column, ...]:
        """The mark, and how much order there is around the pair."""
        return (
            Column("on_cycle", "the pair lies on a cycle of three answers or more", "bool", LOWER),
            Column(
                "component",
                "answers that can be reached from the preferred one and back",
                "int",
                LOWER,
                "answers",
            ),
            Column(
                "entropy",
                "structural entropy of the prompt's votes: 0 where one answer loses all, 1 where "
                "all lose alike",
                "float",
                LOWER,
                "0 to 1",
            ),
            Column("status", f"ok, or '{FEW}'", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Marks of all pairs; the data set's clarity is a fact."""
        found = build_tournaments(pairs)
        entropy = found.entropy[found.prompt] if len(pairs) else np.empty(0)
        context.facts["prompts_with_three_answers"] = int((~np.isnan(found.entropy)).sum())
        context.facts["pairs_on_cycles"] = int(found.on_cycle.sum())
        context.facts["clarity"] = mean_clarity(found)
        few = pl.Series(np.isnan(entropy)).to_frame("few")
        said = pl.when("few").then(pl.lit(FEW))
        return pl.DataFrame(
            {
                "on_cycle": found.on_cycle,
                "component": found.size,
                "entropy": entropy,
                "status": few.select(s=said.otherwise(pl.lit("ok")))["s"],
            }
        )
