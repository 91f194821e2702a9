"""The data set types of TRL: preference, reward with margin, unpaired."""

from __future__ import annotations

import polars as pl

from curate.exports.base import WEIGHT, Export, carried
from curate.pairs import messages_key, messages_text


class TRLConversational(Export):
    """`prompt`, `chosen`, `rejected` as messages for DPOTrainer and RewardTrainer; `pair_id`."""

    name = "trl"
    summary = "TRL preference, conversational with explicit prompt (DPOTrainer, RewardTrainer)"

    def convert(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """The three message columns, the id that leads back to the scores, and weights if any."""
        weight = [WEIGHT] if WEIGHT in pairs.columns else []
        return pairs.select("prompt", "chosen", "rejected", "pair_id", *weight, *carried(pairs))


class TRLStandard(Export):
    """`prompt`, `chosen`, `rejected` as texts; turns are marked where there is more than one."""

    name = "trl_text"
    summary = "TRL preference, standard: prompt, chosen and rejected as text"

    def convert(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """The three texts, the id, and weights if any."""
        weight = [WEIGHT] if WEIGHT in pairs.columns else []
        texts = [messages_text(c).alias(c) for c in ("prompt", "chosen", "rejected")]
        return pairs.select(*texts, "pair_id", *weight, *carried(pairs))


class TRLReward(Export):
    """TRL's reward type: the conversational columns and `margin`, the strength of each pair.

    Pairs without a strength get the margin 0, which is no margin in the loss.
    """

    name = "trl_reward"
    summary = "TRL RewardTrainer: conversational preference with a margin column"
    reserved = ("margin",)

    def convert(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Messages, margin and id."""
        margin = pl.col("strength").fill_null(0.0).cast(pl.Float64).alias("margin")
        texts = ("prompt", "chosen", "rejected")
        return pairs.select(*texts, margin, "pair_id", *carried(pairs))

    def warnings(self, pairs: pl.DataFrame) -> list[str]:
        """Ties, and pairs without a strength among others with one."""
        found = super().warnings(pairs)
        lacking = pairs["strength"].null_count()
        if 0 < lacking < len(pairs):
            found.append(
                f"{lacking} of {len(pairs)} kept pairs have no strength: their margin is 0"
            )
        return found


class TRLUnpaired(Export):
    """TRL's unpaired type for KTOTrainer: each answer a row, `label` true for the chosen one.

    An answer that occurs in several pairs with the same label is written once, with the carried
    columns of its first pair.
    """

    name = "trl_kto"
    summary = "TRL unpaired preference for KTOTrainer: prompt, completion, label"
    reserved = ("completion", "label")

    def convert(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Two rows a pair, repeats left out."""
        sides = [
            pairs.select(
                "prompt", pl.col(side).alias("completion"), *carried(pairs), label=pl.lit(label)
            )
            for side, label in (("chosen", True), ("rejected", False))
        ]
        order = pl.int_range(pl.len()).alias("_order")
        rows = pl.concat([side.with_columns(order) for side in sides])
        rows = rows.sort("_order", maintain_order=True).drop("_order")
        first = pl.struct(messages_key("prompt"), messages_key("completion"), "label")
        return rows.filter(first.is_first_distinct())
