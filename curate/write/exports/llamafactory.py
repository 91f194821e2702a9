"""LLaMA-Factory's ranking data in its ShareGPT form."""

from __future__ import annotations

from typing import Any

import polars as pl

from curate.write.exports.base import Advice, Export, carried, check_single

_SPEAKERS = {"user": "human", "assistant": "gpt", "tool": "observation"}


class LLaMAFactory(Export):
    """`conversations`, `chosen` and `rejected` as `from` / `value` messages, and dataset_info.json.

    Give the run's folder as `dataset_dir` and `curated` as `dataset`.
    """

    name = "llamafactory"
    reserved = ("conversations",)
    summary = "LLaMA-Factory ranking (ShareGPT) with dataset_info.json"

    def convert(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """The prompt as a conversation, and one message for each answer.

        Raises:
            CurateError: an answer holds more than one message, which the form cannot hold.
        """
        check_single(pairs, "LLaMA-Factory's ranking data")
        message = pl.struct(
            pl.element().struct.field("role").replace(_SPEAKERS).alias("from"),
            pl.element().struct.field("content").alias("value"),
        )
        spoken = {c: pl.col(c).list.eval(message) for c in ("prompt", "chosen", "rejected")}
        return pairs.select(
            conversations=spoken["prompt"],
            chosen=spoken["chosen"].list.first(),
            rejected=spoken["rejected"].list.first(),
            **{name: name for name in ("pair_id", *carried(pairs))},
        )

    def files(self, advice: Advice) -> dict[str, Any]:
        """dataset_info.json, which names the shards `curated`; settings against wrong labels."""
        columns = {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"}
        entry = {
            "file_name": advice.kept,
            "formatting": "sharegpt",
            "ranking": True,
            "columns": columns,
        }
        made: dict[str, Any] = {"dataset_info.json": {"curated": entry}}
        if advice.epsilon is not None:
            made["llamafactory.yaml"] = {
                "stage": "dpo",
                "dataset_dir": ".",
                "dataset": "curated",
                "pref_loss": "sigmoid",
                "dpo_label_smoothing": advice.epsilon,
            }
        return made
