"""Weights of pairs of a ranked list by the place of the chosen answer."""

from __future__ import annotations

import polars as pl

from curate import HIGHER, LOWER, Column, Context, Parameters, Scorer
from curate.scoring import messages_text, select_in_batches

NO_SCORES = "no scores of a ranking"
_SIDES = ("chosen", "rejected")


class ListWeight(Scorer[Parameters]):
    """Weigh the pairs of a ranking by DCG's discount, 1 / log2(1 + rank of the chosen answer).

    `rank` is the place of the chosen answer among the answers to its prompt by their scores (1 for
    the best, equal scores share a place), `weight` the discount over its mean over all pairs. What
    a list says of its top then counts more than what it says of its end. IRPO (arXiv 2504.15477)
    sums such positional weights over the items of one list in one loss; here each pair carries its
    own, and {type: reweight, column: list_weight.weight, ceiling: 20} hands it to a trainer. Use it
    for rankings of which several pairs a prompt are made (`input.ranking: {pairs: all}`).

    Examples:
        >>> from curate import score
        >>> answers = (("a", "b", [3, 2]), ("a", "c", [3, 1]), ("b", "c", [2, 1]))
        >>> rows = [
        ...     {"prompt": "Q", "chosen": c, "rejected": r, "scores": s} for c, r, s in answers
        ... ]
        >>> score(rows, "list_weight").frame["list_weight.rank"].to_list()
        [1, 1, 2]
    """

    name = "list_weight"
    purpose = "rewards and models"
    when = (
        "For rankings with several pairs a prompt: the top of the list counts more. Not measured."
    )
    summary = "weight of a pair by the place of its chosen answer in the ranking (DCG's discount)"
    reference = "after IRPO, arXiv 2504.15477: its positional weights; the pairs are ours"
    Params = Parameters

    def columns(self) -> tuple[Column, ...]:
        """Return rank, weight and status."""
        return (
            Column("rank", "place of the chosen answer, 1 for the best", "int", LOWER),
            Column("weight", "discount of that place over its mean", "float", HIGHER),
            Column("status", f"ok, or '{NO_SCORES}'", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return ranks and weights of all pairs."""
        scores = (
            pl.col("extra").str.json_path_match(f"$.scores[{place}]").cast(pl.Float64, strict=False)
            for place in (0, 1)
        )
        texts = (messages_text(side).alias(side) for side in _SIDES)
        values = dict(zip(("chosen_score", "rejected_score"), scores, strict=True))
        frame = select_in_batches(pairs, *texts, **values).with_columns(
            prompt=pl.Series(context.prompt_groups(pairs))
        )
        sides = [
            frame.select("prompt", answer=side, score=f"{side}_score").drop_nulls("score")
            for side in _SIDES
        ]
        # An answer that is in several pairs is one answer of the list.
        answers = (
            pl.concat(sides)
            .unique(["prompt", "answer"])
            .with_columns(
                rank=pl.col("score").rank("min", descending=True).over("prompt").cast(pl.Int64)
            )
        )
        ranked = frame.join(
            answers.select("prompt", "answer", "rank"),
            left_on=["prompt", "chosen"],
            right_on=["prompt", "answer"],
            how="left",
            maintain_order="left",
        ).with_columns(rank=pl.when(pl.col("chosen_score").is_not_null()).then("rank"))
        discount = 1.0 / (1.0 + pl.col("rank")).log(2.0)
        status = pl.when(pl.col("rank").is_null()).then(pl.lit(NO_SCORES)).otherwise(pl.lit("ok"))
        return ranked.select("rank", weight=discount / discount.mean(), status=status)
