"""torchtune's preference data set."""

from __future__ import annotations

from typing import Any

import polars as pl

from curate.write.exports.base import Advice, Export, carried


class Torchtune(Export):
    """`chosen` and `rejected` as whole conversations, the prompt's messages first."""

    name = "torchtune"
    summary = "torchtune preference_dataset: chosen and rejected as whole conversations"

    def convert(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Both conversations and the id."""
        whole = [pl.concat_list("prompt", side).alias(side) for side in ("chosen", "rejected")]
        return pairs.select(*whole, "pair_id", *carried(pairs))

    def files(self, advice: Advice) -> dict[str, Any]:
        """The part of torchtune's configuration that reads the shards."""
        entry = {
            "_component_": "torchtune.datasets.preference_dataset",
            "source": advice.loader,
            "data_files": advice.shards,
            "split": "train",
        }
        return {"torchtune.yaml": {"dataset": entry}}
