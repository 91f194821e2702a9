"""TRL's conversational preference type with an explicit prompt."""

from __future__ import annotations

import polars as pl

from curate.exports.base import WEIGHT, Export


class TRLConversational(Export):
    """`prompt`, `chosen`, `rejected` as messages for DPOTrainer and RewardTrainer; `pair_id`."""

    name = "trl"
    summary = "TRL preference, conversational with explicit prompt (DPOTrainer, RewardTrainer)"

    def convert(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """The three message columns, the id that leads back to the scores, and weights if any."""
        weight = [WEIGHT] if WEIGHT in pairs.columns else []
        return pairs.select("prompt", "chosen", "rejected", "pair_id", *weight)
