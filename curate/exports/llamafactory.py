"""LLaMA-Factory's ranking data in its ShareGPT form."""

from __future__ import annotations

from typing import Any

import polars as pl

from curate.errors import CurateError
from curate.exports.base import Export, carried

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
        several = pairs.filter(pl.max_horizontal(pl.col("chosen", "rejected").list.len()) > 1)
        if len(several):
            raise CurateError(
                "LLaMA-Factory's ranking data cannot hold answers of several messages",
                where=f"pair {several['pair_id'][0]}",
                found=f"{len(several)} such pairs among {len(pairs)}",
                fix="drop them with the filter {type: expression, keep: 'ARRAY_LENGTH(chosen) = 1 "
                "AND ARRAY_LENGTH(rejected) = 1'}, or use another output.format",
            )
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

    def files(self) -> dict[str, Any]:
        """dataset_info.json, which names the shards `curated`."""
        columns = {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"}
        entry = {"file_name": "kept", "formatting": "sharegpt", "ranking": True, "columns": columns}
        return {"dataset_info.json": {"curated": entry}}
