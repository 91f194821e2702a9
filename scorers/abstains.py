"""Whether an answer says that it, or its sources, cannot answer."""

from __future__ import annotations

import polars as pl

from curate import Cache, Column, Context, Parameters, Scope, Scorer
from curate.scoring import messages_text, select_in_batches

# Both apostrophes: models write ' and \u2019.
_PATTERN = (
    r"(?i)\b(?:i (?:do not|don['\x{2019}]t) (?:know|have (?:enough|any|that|this) information)"
    r"|(?:is|are|was|were) not (?:mentioned|stated|specified|provided|covered|discussed)"
    r"|(?:does|do|did) not (?:mention|state|say|specify|provide|contain|include|cover)"
    r"|(?:no|not enough|insufficient) (?:information|evidence|details?)"
    r"|(?:cannot|can['\x{2019}]t|could not|unable to) (?:be )?"
    r"(?:answered?|determined?|found|find|tell|verif))"
)


class Abstains(Scorer[Parameters]):
    """Flag answers that abstain, by English phrases such as "does not mention".

    `chosen` and `rejected` say whether the answer contains such a phrase; `difference` is their
    difference: 1 where only the chosen answer abstains, -1 where only the rejected one does, else
    0. The phrases are ours; the question is that of RAG-RewardBench (arXiv 2412.13746). It cannot
    see whether abstaining was right: read it together with `grounding`.

    Examples:
        >>> from curate import score
        >>> question = "Who wrote it?"
        >>> row = {"prompt": question, "chosen": "Ann.", "rejected": "That is not mentioned."}
        >>> score([row], "abstains").frame["abstains.difference"].to_list()
        [-1]
    """

    name = "abstains"
    purpose = "retrieval"
    when = "To see whether labels prefer answers that admit what the sources do not say."
    summary = "whether an answer says that it, or its sources, cannot answer"
    reference = "appropriate abstain of RAG-RewardBench, arXiv 2412.13746, by phrases (ours)"
    scope = Scope.ROW
    cache = Cache.WHOLE
    single_answer_columns = ("chosen",)
    Params = Parameters

    def columns(self) -> tuple[Column, ...]:
        """Return both answers, and the difference."""
        return (
            Column(
                "difference",
                "1 where only chosen abstains, -1 where only rejected does",
                "int",
                evidence="named",
            ),
            Column("chosen", "the chosen answer abstains", "bool"),
            Column("rejected", "the rejected answer abstains", "bool"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return flags of all pairs."""
        abstains = {s: messages_text(s).str.contains(_PATTERN) for s in ("chosen", "rejected")}
        flags = select_in_batches(pairs, **abstains)
        # As integers: 1 where only the chosen answer abstains, -1 where only the rejected one does.
        difference = pl.col("chosen").cast(pl.Int64) - pl.col("rejected").cast(pl.Int64)
        return flags.select(difference=difference, chosen="chosen", rejected="rejected")
