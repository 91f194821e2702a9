"""The preference form of hosted fine-tuning: OpenAI's, Azure's, Together's and Fireworks'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import polars as pl

from curate.data.attachments import TOOLS
from curate.data.json_text import to_json
from curate.data.json_types import Json
from curate.data.messages import CALL_IDS, NAMES, TEXT_BESIDE_CALLS, TEXTS, TOOL_CALLS
from curate.errors import CurateError
from curate.write.exports.base import Export, ShardSchema, extra_output_columns
from curate.write.exports.fields import Message, messages_column
from curate.write.exports.json_values import json_column

_ANSWERING = ["assistant", "tool"]
_KEYS = ("role", "content", "name", "tool_calls", "tool_call_id", "function_call")
"""Of a message, as the services document it."""


class OpenAIDPOExport(Export):
    """`input` with messages and tools, `preferred_output` and `non_preferred_output`.

    The arguments of tool calls are JSON texts, as the services document them. Nothing else: the
    services refuse keys that they do not know. `output.columns` carries the id of a pair along
    where somebody wants it.
    """

    name = "openai_dpo"
    summary = "DPO of OpenAI, Together and Fireworks (Azure: azure_dpo); use file_type: jsonl"
    reserved = ("input", "preferred_output", "non_preferred_output")
    holds = frozenset({TOOL_CALLS, TEXT_BESIDE_CALLS, CALL_IDS, NAMES, TEXTS, TOOLS})
    rewrites: ClassVar[Mapping[str, str]] = {TOOL_CALLS: "arguments written as JSON texts"}
    single = True

    def convert(self, pairs: pl.DataFrame, schema: ShardSchema) -> pl.DataFrame:
        """Return the prompt as input, a list of one message for each answer.

        Raises:
            CurateError: an answer holds more than one message, which the form cannot hold.
        """
        self.check(pairs, schema)
        input_column = [
            messages_column(pairs, "prompt", schema, _documented_message).alias("messages")
        ]
        if TOOLS in schema.content:
            # No tools are an empty list: the services refuse a null.
            input_column.append(json_column(TOOLS, pairs[TOOLS].fill_null("[]").to_list()))
        return pairs.select(
            pl.struct([pl.lit(series) for series in input_column]).alias("input"),
            messages_column(pairs, "chosen", schema, _documented_message).alias("preferred_output"),
            messages_column(pairs, "rejected", schema, _documented_message).alias(
                "non_preferred_output"
            ),
            *extra_output_columns(pairs, schema),
        )


class AzureDPOExport(OpenAIDPOExport):
    """The same for Azure, which takes answers of several messages: calls of tools and results."""

    name = "azure_dpo"
    summary = "DPO of Azure OpenAI: answers may be several messages; use file_type: jsonl"
    single = False

    def check(self, pairs: pl.DataFrame, schema: ShardSchema) -> None:  # noqa: ARG002
        """Make sure that the assistant speaks in each answer, and tools at most beside it.

        Raises:
            CurateError: an answer in which another speaks, or in which the assistant does not.
        """
        role = pl.element().struct.field("role")
        fits = [
            pl.col(side).list.eval(role.is_in(_ANSWERING)).list.all()
            & pl.col(side).list.eval(role == "assistant").list.any()
            for side in ("chosen", "rejected")
        ]
        unsupported = pairs.filter(~pl.all_horizontal(fits))
        if len(unsupported):
            raise CurateError(
                f"the format '{self.name}' cannot represent these answers",
                where=f"pair {unsupported['pair_id'][0]}",
                found=f"{len(unsupported):,} of {len(pairs):,} pairs with other roles in an answer",
                expected="messages of assistant and tool, with at least one of the assistant",
                fix="drop such pairs, or use another output.format",
            )


def _documented_message(message: Message) -> Message:
    """Return the message with only documented keys, and call arguments as JSON."""
    documented = {key: message[key] for key in _KEYS if key in message}
    if isinstance(documented.get("tool_calls"), list):
        documented["tool_calls"] = [_documented_call(call) for call in documented["tool_calls"]]
    if isinstance(documented.get("function_call"), dict):
        documented["function_call"] = _documented_function(documented["function_call"])
    return documented


def _documented_call(call: Json) -> Json:
    """Return a call as the services document it: {id, type, function: {name, arguments}}."""
    if not isinstance(call, dict):
        return call
    identity = {"id": call["id"]} if call.get("id") is not None else {}
    function = call.get("function", {k: v for k, v in call.items() if k not in ("id", "type")})
    return {**identity, "type": "function", "function": _documented_function(function)}


def _documented_function(function: Json) -> Json:
    if not isinstance(function, dict):
        return function
    arguments = function.get("arguments", function.get("parameters", {}))
    text = arguments if isinstance(arguments, str) else to_json(arguments)
    return {"name": function.get("name", ""), "arguments": text}
