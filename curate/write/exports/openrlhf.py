"""OpenRLHF's preference data."""

from __future__ import annotations

from typing import Any

import polars as pl

from curate.data.found_parts import TURNS
from curate.data.message_parts import MESSAGE_PARTS
from curate.write.exports.base import (
    Advice,
    Export,
    KeptCounts,
    carried,
    lacking_strength,
    margin,
)
from curate.write.exports.fields import messages


class OpenRLHF(Export):
    """`prompt`, `chosen`, `rejected` as messages, and the strength as `margin`, null without one.

    For `train_rm` and `train_dpo` (0.11: `--data.prompt_key prompt --data.apply_chat_template`;
    older versions without `data.`).
    """

    name = "openrlhf"
    smooths = True
    summary = "OpenRLHF (train_rm, train_dpo): prompt, chosen, rejected as messages, margin"
    reserved = ("margin",)
    holds = frozenset(MESSAGE_PARTS)

    def convert(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """The three message columns, margin and id."""
        texts = [messages(pairs, column, self) for column in TURNS]
        return pairs.select(*texts, margin(), "pair_id", *carried(pairs, self))

    def files(self, advice: Advice) -> dict[str, Any]:
        """The arguments of the command line, by name."""
        arguments: dict[str, Any] = {
            "data.dataset": advice.kept,
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

    def warnings(self, kept: KeptCounts) -> list[str]:
        """Ties, and pairs without a strength among others with one."""
        return super().warnings(kept) + lacking_strength(kept)
