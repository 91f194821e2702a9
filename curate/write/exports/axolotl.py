"""axolotl's preference data for the strategy `chat_template.default`."""

from __future__ import annotations

from typing import Any

import polars as pl

from curate.data.message_parts import MESSAGE_PARTS
from curate.data.row_parts import TOOLS
from curate.write.exports.base import Advice, Export, carried
from curate.write.exports.fields import message, messages, row_fields


class Axolotl(Export):
    """`messages` (the prompt), `chosen` and `rejected` (one message each), and axolotl.yaml."""

    name = "axolotl"
    summary = "axolotl DPO (chat_template.default): messages, chosen, rejected, with axolotl.yaml"
    reserved = ("messages",)
    single = True
    holds = frozenset({*MESSAGE_PARTS, TOOLS})

    def convert(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """The prompt's messages, and one message for each answer.

        Raises:
            CurateError: an answer holds more than one message: axolotl would read the last alone.
        """
        self.check(pairs)
        return pairs.select(
            messages(pairs, "prompt", self).alias("messages"),
            *(message(pairs, side, self) for side in ("chosen", "rejected")),
            *row_fields(pairs, self),
            "pair_id",
            *carried(pairs, self),
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
        if TOOLS in self.parts:
            entry["field_tools"] = TOOLS
        config: dict[str, Any] = {"rl": "dpo", "datasets": [entry]}
        if advice.held_out is not None:
            config["test_datasets"] = [entry | {"path": advice.held_out}]
        if advice.epsilon is not None:
            config["dpo_label_smoothing"] = advice.epsilon
        return {"axolotl.yaml": config}
