"""NeMo-RL's ranked completions (PreferenceDataset)."""

from __future__ import annotations

from typing import Any

import polars as pl

from curate.data.message_parts import MESSAGE_PARTS
from curate.write.exports.base import Advice, Export, carried
from curate.write.exports.fields import messages


class NeMoRL(Export):
    """`context` (messages) and `completions`: rank 0 for the chosen, 1 for the rejected answer."""

    name = "nemo_rl"
    summary = "NeMo-RL PreferenceDataset: context, completions with ranks; use file_type: jsonl"
    reserved = ("context", "completions")
    holds = frozenset(MESSAGE_PARTS)

    def convert(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """The prompt as context, both answers with their ranks."""
        ranked = [
            pl.struct(
                rank=pl.lit(rank, dtype=pl.Int64),
                completion=pl.lit(messages(pairs, side, self)),
            )
            for rank, side in enumerate(("chosen", "rejected"))
        ]
        return pairs.select(
            messages(pairs, "prompt", self).alias("context"),
            pl.concat_list(ranked).alias("completions"),
            "pair_id",
            *carried(pairs, self),
        )

    def files(self, advice: Advice) -> dict[str, Any]:
        """The part of NeMo-RL's configuration that reads the first shard."""
        shard = f"{advice.kept}/part-00000.{advice.file_type}"
        train = {"dataset_name": "PreferenceDataset", "data_path": shard}
        data = {"train": train}
        if advice.held_out is not None:
            first = f"{advice.held_out}/part-00000.{advice.file_type}"
            data["validation"] = train | {"data_path": first}
        return {"nemo_rl.yaml": {"data": data}}
