"""Whether an answer says that its sources, or it, cannot tell."""

from __future__ import annotations

import polars as pl

from curate import Column, Context, Parameters, Scorer
from curate.data.hashes import select_in_batches
from curate.data.table import messages_text

_PATTERN = (
    r"(?i)\b(?:i (?:do not|don['\x{2019}]t) (?:know|have (?:enough|any|that|this) information)"
    r"|(?:is|are|was|were) not (?:mentioned|stated|specified|provided|covered|discussed)"
    r"|(?:does|do|did) not (?:mention|state|say|specify|provide|contain|include|cover)"
    r"|(?:no|not enough|insufficient) (?:information|evidence|details?)"
    r"|(?:cannot|can['\x{2019}]t|could not|unable to) (?:be )?"
    r"(?:answered?|determined?|found|find|tell|verif))"
)


class Abstains(Scorer[Parameters]):
    """Whether an answer abstains, by English phrases such as "does not mention".

    It does not see whether abstaining was right: look at it beside `grounding`.
    """

    name = "abstains"
    purpose = "retrieval"
    when = "To see whether labels prefer answers that admit what the sources do not say."
    summary = "whether an answer says that it, or its sources, cannot tell"
    reference = "appropriate abstain of RAG-RewardBench, arXiv 2412.13746, by phrases (ours)"
    scope = "row"
    stored, stored_whole = True, True
    Params = Parameters

    def columns(self) -> tuple[Column, ...]:
        """Both answers, and the difference."""
        return (
            Column(
                "difference",
                "1 where chosen alone abstains, -1 where rejected alone does",
                "int",
                evidence="named",
            ),
            Column("chosen", "the preferred answer abstains", "bool"),
            Column("rejected", "the other answer abstains", "bool"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Marks of all pairs."""
        said = {s: messages_text(s).str.contains(_PATTERN) for s in ("chosen", "rejected")}
        found = select_in_batches(pairs, **said)
        # Of bools as numbers: 1 where the chosen answer alone abstains, -1 where the rejected one.
        difference = pl.col("chosen").cast(pl.Int64) - pl.col("rejected").cast(pl.Int64)
        return found.select(difference=difference, chosen="chosen", rejected="rejected")
