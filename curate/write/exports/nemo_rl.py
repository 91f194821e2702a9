"""NeMo-RL's ranked completions (PreferenceDataset)."""

from __future__ import annotations

from typing import Any

import polars as pl

from curate.data.message_parts import (
    BESIDE_CALLS,
    CALL_IDS,
    NAMES,
    OTHER_KEYS,
    REASONING,
    TEXTS,
    TOOL_CALLS,
)
from curate.write.exports.base import Advice, Export, carried
from curate.write.exports.fields import Message, messages


class NeMoRL(Export):
    """`context` (messages) and `completions`: rank 0 for the chosen, 1 for the rejected answer."""

    name = "nemo_rl"
    summary = "NeMo-RL PreferenceDataset: context, completions with ranks; use file_type: jsonl"
    reserved = ("context", "completions")
    # Its own code looks for images under keys of its own.
    holds = frozenset({TOOL_CALLS, BESIDE_CALLS, CALL_IDS, NAMES, REASONING, TEXTS, OTHER_KEYS})

    def convert(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """The prompt as context, both answers with their ranks."""
        ranked = [
            pl.struct(
                rank=pl.lit(rank, dtype=pl.Int64),
                completion=pl.lit(messages(pairs, side, self, _with_text)),
            )
            for rank, side in enumerate(("chosen", "rejected"))
        ]
        return pairs.select(
            messages(pairs, "prompt", self, _with_text).alias("context"),
            pl.concat_list(ranked).alias("completions"),
            "pair_id",
            *carried(pairs, self),
        )

    def files(self, advice: Advice) -> dict[str, Any]:
        """The part of NeMo-RL's configuration that reads the shards.

        A folder is named: its loader takes all files in it, and of a path with an ending that file
        alone.
        """
        train = {"dataset_name": "PreferenceDataset", "data_path": advice.kept}
        data = {"train": train}
        if advice.held_out is not None:
            data["validation"] = train | {"data_path": advice.held_out}
        return {"nemo_rl.yaml": {"data": data}}


def _with_text(message: Message) -> Message:
    """The message with a text: NeMo-RL looks for images in any content that is none."""
    return message | {"content": ""} if message.get("content") is None else message
