"""Cycles among the votes on one prompt."""

from __future__ import annotations

import numpy as np
import polars as pl

from curate import LOWER, Column, Context, Parameters, Scorer
from curate.scoring.annotators import build_tournaments, mean_clarity

TOO_FEW_ANSWERS = "fewer than three answers"


class Tournament(Scorer[Parameters]):
    """Flag pairs that are on a cycle of preferences among the answers to their prompt.

    `on_cycle` says whether the pair lies inside a strongly connected component of three answers or
    more, `component` is its size, `entropy` the structural entropy of the prompt's votes, 0 (one
    answer loses all) to 1 (all lose alike). ELSPR (arXiv 2505.17691) drops such pairs: {type:
    expression, drop: "`tournament.on_cycle`"}. It needs prompts with three compared answers or
    more; with one pair per prompt use `general_preference`.

    Examples:
        >>> from curate import score
        >>> duels = (("a", "b"), ("b", "c"), ("c", "a"))
        >>> rows = [{"prompt": "Best?", "chosen": w, "rejected": l} for w, l in duels]
        >>> score(rows, "tournament").frame["tournament.on_cycle"].to_list()
        [True, True, True]
    """

    name = "tournament"
    purpose = "taste, annotators, context"
    when = "When three or more answers to one prompt were compared. Finds single cycles."
    summary = "pairs on cycles of preference among the answers to one prompt, and entropy (ELSPR)"
    reference = "ELSPR, arXiv 2505.17691"
    from_labels = True
    Params = Parameters

    def columns(self) -> tuple[Column, ...]:
        """Return the flag, and measures of order around the pair."""
        return (
            Column("on_cycle", "the pair lies on a cycle of three answers or more", "bool", LOWER),
            Column(
                "component",
                "answers that can be reached from the chosen one and back",
                "int",
                LOWER,
                "answers",
            ),
            Column(
                "entropy",
                "structural entropy of the prompt's votes: 0 where one answer loses all, 1 where "
                "all lose equally often",
                "float",
                LOWER,
                "0 to 1",
            ),
            Column("status", f"ok, or '{TOO_FEW_ANSWERS}'", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return flags of all pairs; the dataset's clarity is a fact."""
        votes = build_tournaments(pairs)
        entropy = votes.entropy[votes.prompt] if len(pairs) else np.empty(0)
        context.facts["prompts_with_three_answers"] = int((~np.isnan(votes.entropy)).sum())
        context.facts["pairs_on_cycles"] = int(votes.on_cycle.sum())
        context.facts["clarity"] = mean_clarity(votes)
        # The entropy is NaN for prompts with fewer than three answers.
        few = pl.Series(np.isnan(entropy)).to_frame("few")
        reason = pl.when("few").then(pl.lit(TOO_FEW_ANSWERS))
        return pl.DataFrame(
            {
                "on_cycle": votes.on_cycle,
                "component": votes.size,
                "entropy": entropy,
                "status": few.select(s=reason.otherwise(pl.lit("ok")))["s"],
            }
        )
