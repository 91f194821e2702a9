"""torchtune's preference data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import polars as pl

from curate.data.json_types import JsonObject
from curate.data.messages import TEXTS
from curate.write.exports.base import Export, ShardSchema, TrainerHints, extra_output_columns
from curate.write.exports.trl import turn_columns


class TorchtuneExport(Export):
    """`chosen` and `rejected` as whole conversations, the prompt's messages first."""

    name = "torchtune"
    smooths = True
    summary = "torchtune preference_dataset: chosen and rejected as whole conversations"
    prompts = ("implicit",)
    rewrites: ClassVar[Mapping[str, str]] = {TEXTS: "joined into one text"}

    def convert(self, pairs: pl.DataFrame, schema: ShardSchema) -> pl.DataFrame:
        """Return both conversations and the id."""
        return pairs.select(
            *turn_columns(pairs, schema), "pair_id", *extra_output_columns(pairs, schema)
        )

    def files(self, advice: TrainerHints) -> JsonObject:
        """Return the part of torchtune's configuration that reads the shards."""
        entry: JsonObject = {
            "_component_": "torchtune.datasets.preference_dataset",
            "source": advice.loader,
            "data_files": advice.shards,
            "split": "train",
        }
        config: JsonObject = {"dataset": entry}
        if advice.epsilon is not None:
            loss: JsonObject = {
                "_component_": "torchtune.rlhf.loss.DPOLoss",
                "label_smoothing": advice.epsilon,
            }
            config["loss"] = loss
        if advice.splits[1:]:
            config["dataset_val"] = {**entry, "data_files": advice.glob(advice.splits[1])}
        return {"torchtune.yaml": config}
