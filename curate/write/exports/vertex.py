"""The preference form of Google's tuning service (Vertex AI)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from curate.data.content_kinds import TURNS
from curate.data.json_types import JsonObject
from curate.errors import CurateError
from curate.write.exports.base import Export, ShardSchema, extra_output_columns

_Turns = Sequence[Mapping[str, Any]]
_ROLES = {"user": "user", "assistant": "model"}
_CONTENT = pl.Struct({"role": pl.String, "parts": pl.List(pl.Struct({"text": pl.String}))})
_INSTRUCTION = pl.Struct({"parts": pl.List(pl.Struct({"text": pl.String}))})
_COMPLETION = pl.Struct({"score": pl.Float64, "completion": _CONTENT})


class VertexExport(Export):
    """`contents`, `system_instruction` where there is one, and two `completions`, score 1 and 0.

    Texts alone: the service takes no tools and no media for preference tuning.
    """

    name = "vertex"
    summary = "Vertex AI preference tuning of Gemini; use file_type: jsonl"
    reserved = ("system_instruction", "contents", "completions")
    single = True

    def check(self, pairs: pl.DataFrame, schema: ShardSchema) -> None:
        """Make sure that user and assistant alone speak, behind texts of the system.

        Raises:
            CurateError: another role, a later text of the system, or an answer of several messages.
        """
        super().check(pairs, schema)
        roles = pl.element().struct.field("role")
        prompt = pl.col("prompt").list
        systems = prompt.eval(roles == "system").list.sum()
        spoken_turns = pl.concat_list(prompt.slice(systems), "chosen", "rejected")
        odd = pairs.filter(spoken_turns.list.eval(~roles.is_in(list(_ROLES))).list.any())
        if len(odd):
            raise CurateError(
                "the format 'vertex' cannot represent messages of other roles",
                where=f"pair {odd['pair_id'][0]}",
                found=f"{len(odd)} such pairs among {len(pairs)}",
                expected="system messages first, then turns of user and assistant",
                fix="drop such pairs, or use another output.format",
            )

    def convert(self, pairs: pl.DataFrame, schema: ShardSchema) -> pl.DataFrame:
        """Return the prompt as contents, both answers as completions.

        Raises:
            CurateError: see `check`.
        """
        self.check(pairs, schema)
        converted = [_vertex_row(*turns) for turns in pairs.select(*TURNS).rows()]
        types = (_INSTRUCTION, pl.List(_CONTENT), pl.List(_COMPLETION))
        columns = zip(self.reserved, types, strict=True)
        return pl.DataFrame(
            [pl.Series(c, [row[c] for row in converted], dtype=kind) for c, kind in columns]
        ).hstack(pairs.select(extra_output_columns(pairs, schema)).get_columns())


def _vertex_row(prompt: _Turns, chosen: _Turns, rejected: _Turns) -> JsonObject:
    """Return one pair; leading system texts become the instruction."""
    first = next((i for i, m in enumerate(prompt) if m["role"] != "system"), len(prompt))
    # The service puts parts together as they stand: two texts would become one word.
    system = "\n\n".join(message["content"] for message in prompt[:first])
    parts = [{"text": system}] if system else []
    answers = [_vertex_content(side[0]) for side in (chosen, rejected)]
    return {
        "system_instruction": {"parts": parts} if parts else None,
        "contents": [_vertex_content(message) for message in prompt[first:]],
        "completions": [{"score": 1.0 - i, "completion": c} for i, c in enumerate(answers)],
    }


def _vertex_content(message: Mapping[str, Any]) -> JsonObject:
    """Return a message in the service's format."""
    return {"role": _ROLES[message["role"]], "parts": [{"text": message["content"]}]}
