"""OpenRLHF's preference data."""

from __future__ import annotations

import polars as pl

from curate.data.content_kinds import TURNS
from curate.data.json_types import JsonObject
from curate.data.messages import MESSAGE_CONTENT_KINDS
from curate.write.exports.base import (
    Export,
    PairCounts,
    ShardSchema,
    TrainerHints,
    extra_output_columns,
    margin_column,
    missing_strength_warning,
)
from curate.write.exports.fields import messages_column


class OpenRLHFExport(Export):
    """`prompt`, `chosen`, `rejected` as messages, and the strength as `margin`, null without one.

    For `train_rm` and `train_dpo` (0.11: `--data.prompt_key prompt --data.apply_chat_template`;
    older versions without `data.`).
    """

    name = "openrlhf"
    smooths = True
    summary = "OpenRLHF (train_rm, train_dpo): prompt, chosen, rejected as messages, margin"
    reserved = ("margin",)
    holds = frozenset(MESSAGE_CONTENT_KINDS)

    def convert(self, pairs: pl.DataFrame, schema: ShardSchema) -> pl.DataFrame:
        """Return the three message columns, margin and id."""
        texts = [messages_column(pairs, column, schema) for column in TURNS]
        return pairs.select(
            *texts, margin_column(), "pair_id", *extra_output_columns(pairs, schema)
        )

    def files(self, advice: TrainerHints) -> JsonObject:
        """Return the arguments of the command line, by name."""
        arguments: JsonObject = {
            "data.dataset": advice.train_path,
            "data.prompt_key": "prompt",
            "data.chosen_key": "chosen",
            "data.rejected_key": "rejected",
            "data.apply_chat_template": True,
        }
        if advice.held_out is not None:
            # A folder of files has the split "train", whatever it holds.
            arguments |= {"eval.dataset": advice.held_out, "eval.split": "train"}
        if advice.epsilon is not None:
            arguments["model.label_smoothing"] = advice.epsilon
        return {"openrlhf.yaml": arguments}

    def warnings(self, counts: PairCounts, schema: ShardSchema) -> list[str]:
        """Warn of ties, and of pairs without a strength among others with one."""
        return super().warnings(counts, schema) + missing_strength_warning(counts)
