"""The preference form of hosted fine-tuning: OpenAI's, Azure's, Together's and Fireworks'."""

from __future__ import annotations

from typing import Any, ClassVar

import orjson
import polars as pl

from curate.data.attachments import TOOLS
from curate.data.json_text import parse_nested_json, to_json
from curate.data.table import MESSAGES, messages_series
from curate.read.formats.base import (
    ERROR,
    EXTRA,
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    has_columns,
)
from curate.read.formats.slots import add_to_extra
from curate.read.messages import as_messages

_BETTER = ("preferred_output", "preferred_completion")
_WORSE = ("non_preferred_output", "non_preferred_completion")
_EXPECTED = "expected {messages: [...], tools: [...]}"


class OpenAIDPOFormat(Format):
    """`input` with `messages` and `tools`, `preferred_output` and `non_preferred_output`.

    What else `input` says, such as `parallel_tool_calls`, goes to `extra.input`. Older files call
    the answers `preferred_completion` and `non_preferred_completion`.
    """

    name = "openai_dpo"
    summary = "OpenAI, Together, Fireworks DPO: input, preferred_output, non_preferred_output"
    text_columns = (*_BETTER, *_WORSE)
    json_columns: ClassVar[tuple[str, ...]] = ("input",)
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are an input and both answers."""
        answer_columns = zip(_BETTER, _WORSE, strict=True)
        return has_columns(rows, "input") and any(
            has_columns(rows, *names) for names in answer_columns
        )

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the messages of the input as prompt."""
        inputs = [_parse_input(text) for text in rows["input"]]
        other_fields = pl.Series(
            "_rest", [to_json(f[2]) if f[2] else None for f in inputs], dtype=pl.String
        )
        extra_with_input = pl.when(pl.col("_rest").is_not_null()).then(
            add_to_extra("input", pl.col("_rest").fill_null("null"))
        )
        rows = rows.with_columns(other_fields)
        return rows.with_columns(
            messages_series("prompt", [f[0] for f in inputs]),
            pl.Series(TOOLS, [to_json(f[1]) if f[1] else None for f in inputs], dtype=pl.String),
            pl.Series(ERROR, [f[3] for f in inputs], dtype=pl.String),
            extra_with_input.otherwise(pl.col(EXTRA)).alias(EXTRA),
            chosen=pl.coalesce(
                as_messages_column(rows, name, "assistant") for name in _BETTER
            ).cast(MESSAGES),
            rejected=pl.coalesce(
                as_messages_column(rows, name, "assistant") for name in _WORSE
            ).cast(MESSAGES),
        ).drop("_rest")


def _parse_input(text: str | None) -> tuple[Any, object, dict[str, object], str | None]:
    """Return messages, tools, other fields, and what is wrong."""
    fields: Any = parse_nested_json(orjson.loads(text)) if text else None
    if isinstance(fields, str | list):
        fields = {"messages": fields}
    if not isinstance(fields, dict) or not fields.get("messages"):
        return [], None, {}, f"'input' holds no messages; {_EXPECTED}"
    published_messages = fields.pop("messages")
    prompt_messages = (
        {"role": "user", "content": published_messages}
        if isinstance(published_messages, str)
        else published_messages
    )
    messages, problem = as_messages(prompt_messages)
    tools = parse_nested_json(fields.pop(TOOLS, None))
    return messages or [], tools, fields, None if problem is None else f"'input' {problem}"
