"""axolotl's preference data for the strategy `chat_template.default`."""

from __future__ import annotations

from typing import Any

import polars as pl

from curate.write.exports.base import Advice, Export, carried, check_single


class Axolotl(Export):
    """`messages` (the prompt), `chosen` and `rejected` (one message each), and axolotl.yaml."""

    name = "axolotl"
    summary = "axolotl DPO (chat_template.default): messages, chosen, rejected, with axolotl.yaml"
    reserved = ("messages",)

    def convert(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """The prompt's messages, and one message for each answer.

        Raises:
            CurateError: an answer holds more than one message: axolotl would read the last alone.
        """
        check_single(pairs, "axolotl's chat_template.default")
        return pairs.select(
            pl.col("prompt").alias("messages"),
            pl.col("chosen", "rejected").list.first(),
            "pair_id",
            *carried(pairs),
        )

    def files(self, advice: Advice) -> dict[str, Any]:
        """The part of axolotl's configuration that reads the shards."""
        entry = {
            "path": advice.kept,
            "ds_type": advice.loader,
            "split": "train",
            "type": "chat_template.default",
            "field_messages": "messages",
            "field_chosen": "chosen",
            "field_rejected": "rejected",
        }
        config: dict[str, Any] = {"rl": "dpo", "datasets": [entry]}
        if advice.epsilon is not None:
            config["dpo_label_smoothing"] = advice.epsilon
        return {"axolotl.yaml": config}
