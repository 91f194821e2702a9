"""The preference form of hosted fine-tuning: OpenAI's, Azure's, Together's and Fireworks'."""

from __future__ import annotations

import polars as pl

from curate.data.message_parts import MESSAGE_PARTS, REASONING
from curate.data.row_parts import TOOLS
from curate.write.exports.base import Export, carried
from curate.write.exports.fields import messages
from curate.write.exports.json_values import json_column


class OpenAIDPO(Export):
    """`input` with messages and tools, `preferred_output` and `non_preferred_output`.

    Nothing else: the services refuse keys that they do not know. `output.columns` carries the id of
    a pair along where somebody wants it.
    """

    name = "openai_dpo"
    summary = "DPO of OpenAI, Azure, Together and Fireworks; use file_type: jsonl"
    reserved = ("input", "preferred_output", "non_preferred_output")
    holds = frozenset({*MESSAGE_PARTS, TOOLS}) - {REASONING}
    single = True

    def convert(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """The prompt as input, a list of one message for each answer.

        Raises:
            CurateError: an answer holds more than one message, which the form cannot hold.
        """
        self.check(pairs)
        asked = [messages(pairs, "prompt", self).alias("messages")]
        if TOOLS in self.parts:
            # No tools are an empty list: the services refuse a null.
            asked.append(json_column(TOOLS, pairs[TOOLS].fill_null("[]").to_list()))
        return pairs.select(
            pl.struct([pl.lit(series) for series in asked]).alias("input"),
            messages(pairs, "chosen", self).alias("preferred_output"),
            messages(pairs, "rejected", self).alias("non_preferred_output"),
            *carried(pairs, self),
        )
