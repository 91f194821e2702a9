"""The preference form of Google's tuning service: contents and two scored completions."""

from __future__ import annotations

from typing import ClassVar

import orjson
import polars as pl

from curate.data.json_text import parse_nested_json
from curate.data.table import MESSAGES, messages_series
from curate.read.formats.base import (
    ERROR,
    Format,
    ReadOptions,
    RowSample,
    has_columns,
    share_of_rows,
)
from curate.read.formats.rankings import pairs_from_valid_rankings
from curate.read.messages import Turn, as_messages

_SYSTEM = ("system_instruction", "systemInstruction")
_RANKED = pl.List(pl.Struct({"turns": MESSAGES, "score": pl.Float64}))
_MIN_SHARE = 0.9


class VertexFormat(Format):
    """`contents` and `completions` of two or more `completion` with a `score` (1: preferred).

    A content is `{role, parts: [{text}]}`. Parts that are no text, such as files and calls of
    functions, have no place in the service's form, and make a row malformed.
    """

    name = "vertex"
    summary = "Vertex AI preference tuning: contents, completions (completion, score)"
    json_columns: ClassVar[tuple[str, ...]] = ("contents", "completions", *_SYSTEM)
    draws_by_row = True
    priority = 12

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are scored completions and contents."""
        if not has_columns(rows, "contents", "completions"):
            return False
        return share_of_rows(rows, lambda row: _is_scored(row.get("completions"))) > _MIN_SHARE

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return pairs by score."""
        parsed_rows = [
            _parse_row(row) for row in rows.select(self.json_columns).iter_rows(named=True)
        ]
        rows = rows.drop(self.json_columns).with_columns(
            messages_series("prompt", [f[0] for f in parsed_rows]),
            pl.Series("_ranked", [f[1] for f in parsed_rows], dtype=_RANKED),
            pl.Series(ERROR, [f[2] for f in parsed_rows], dtype=pl.String),
        )
        # A score says which is preferred, not by how much.
        return pairs_from_valid_rankings(rows, options).drop("strength", strict=False)


def _parse_row(
    row: dict[str, str | None],
) -> tuple[list[Turn], list[dict[str, object]], str | None]:
    """Return prompt and scored answers of a row, or what is wrong."""
    fields = {name: parse_nested_json(orjson.loads(text)) for name, text in row.items() if text}
    system = next((fields[name] for name in _SYSTEM if fields.get(name)), None)
    prompt, problem = _messages_from_contents(fields.get("contents"), "contents")
    if system is not None and problem is None:
        if not isinstance(system, str):
            system_turns, problem = _messages_from_contents(
                {**system, "role": "system"}, "system_instruction"
            )
        else:
            system_turns = [{"role": "system", "content": system}]
        prompt = system_turns + prompt
    ranked = []
    for item in fields.get("completions") or []:
        if problem is None and isinstance(item, dict):
            turns, problem = _messages_from_contents(item.get("completion"), "completions")
            ranked.append({"turns": turns or None, "score": item.get("score")})
    return prompt, ranked, problem


def _messages_from_contents(contents: object, column: str) -> tuple[list[Turn], str | None]:
    """Return contents as messages, or what is wrong."""
    listed = contents if isinstance(contents, list) else [contents]
    out: list[object] = []
    for number, item in enumerate(listed, 1):
        parts = item.get("parts") if isinstance(item, dict) else None
        if not isinstance(parts, list):
            return [], f"'{column}' has no parts in content {number}; expected {{role, parts}}"
        part_texts = [part.get("text") if isinstance(part, dict) else None for part in parts]
        texts = [text for text in part_texts if isinstance(text, str)]
        if len(texts) < len(part_texts):
            finding = f"'{column}' has a part that is no text in content {number}"
            return [], f"{finding}; expected parts of text"
        out.append({"role": item.get("role", "user"), "content": "".join(texts)})
    turns, problem = as_messages(out)
    return turns or [], problem and f"'{column}' {problem}"


def _is_scored(completions: object) -> bool:
    if not isinstance(completions, list) or not completions:
        return False
    return all(isinstance(c, dict) and {"completion", "score"} <= c.keys() for c in completions)
