"""NeMo-RL's ranked completions (PreferenceDataset)."""

from __future__ import annotations

import polars as pl

from curate.data.json_types import JsonObject
from curate.data.messages import (
    CALL_IDS,
    NAMES,
    OTHER_KEYS,
    REASONING,
    TEXT_BESIDE_CALLS,
    TEXTS,
    TOOL_CALLS,
)
from curate.write.exports.base import Export, ShardSchema, TrainerHints, extra_output_columns
from curate.write.exports.fields import Message, messages_column


class NeMoRLExport(Export):
    """`context` (messages) and `completions`: rank 0 for the chosen, 1 for the rejected answer."""

    name = "nemo_rl"
    summary = "NeMo-RL PreferenceDataset: context, completions with ranks; use file_type: jsonl"
    reserved = ("context", "completions")
    # Its own code looks for images under keys of its own.
    holds = frozenset(
        {TOOL_CALLS, TEXT_BESIDE_CALLS, CALL_IDS, NAMES, REASONING, TEXTS, OTHER_KEYS}
    )

    def convert(self, pairs: pl.DataFrame, schema: ShardSchema) -> pl.DataFrame:
        """Return the prompt as context, both answers with their ranks."""
        ranked = [
            pl.struct(
                rank=pl.lit(rank, dtype=pl.Int64),
                completion=pl.lit(messages_column(pairs, side, schema, _with_text_content)),
            )
            for rank, side in enumerate(("chosen", "rejected"))
        ]
        return pairs.select(
            messages_column(pairs, "prompt", schema, _with_text_content).alias("context"),
            pl.concat_list(ranked).alias("completions"),
            "pair_id",
            *extra_output_columns(pairs, schema),
        )

    def files(self, advice: TrainerHints) -> JsonObject:
        """Return the part of NeMo-RL's configuration that reads the shards.

        A folder is named: its loader takes all files in it, and of a path with an ending that file
        alone.
        """
        train = {"dataset_name": "PreferenceDataset", "data_path": advice.train_path}
        data = {"train": train}
        if advice.held_out is not None:
            data["validation"] = train | {"data_path": advice.held_out}
        return {"nemo_rl.yaml": {"data": data}}


def _with_text_content(message: Message) -> Message:
    """Return the message with a text: NeMo-RL searches any other content for images."""
    return message | {"content": ""} if message.get("content") is None else message
