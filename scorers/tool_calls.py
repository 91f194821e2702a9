"""Tool calls of both answers, checked against the tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import orjson
import polars as pl

from curate import LOWER, Column, Context, Parameters, Scorer
from curate.models.text.calls import Call, ToolSet, are_same_calls, parse_tool_calls


class ToolCalls(Scorer[Parameters]):
    """Number of calls, and of those that no tool would take.

    A call is wrong where its arguments are no JSON object, where no tool has its name, or where the
    arguments break the JSON schema of that tool's parameters (draft 2020-12; required ones
    included). Without `tools` only the arguments are checked. Results of tools that no call asked
    for are counted too.
    """

    name = "tool_calls"
    purpose = "texts"
    when = "For tool-calling data: find pairs whose chosen answer makes a call that cannot run."
    summary = "number of tool calls, and of those with wrong arguments, names or parameters"
    reference = "JSON Schema, draft 2020-12"
    scope: ClassVar[Literal["row", "table"]] = "row"
    Params = Parameters

    def columns(self) -> tuple[Column, ...]:
        """Counts of both answers, and whether they make the same calls."""
        return (
            Column("chosen", "calls of the preferred answer", "int"),
            Column("rejected", "calls of the other answer", "int"),
            Column("chosen_wrong", "wrong calls of the preferred answer", "int", LOWER),
            Column("rejected_wrong", "wrong calls of the other answer", "int", LOWER),
            Column("same", "both make the same calls; null where neither makes one", "bool"),
            Column("orphans", "results of tools without a call before them", "int", LOWER),
            Column("status", "ok, or what is wrong with the first wrong call", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Counts of a batch."""
        rows = pairs.select("prompt", "chosen", "rejected", "tools").iter_rows(named=True)
        dtypes = {c.name: c.dtype for c in self.columns()}
        return pl.DataFrame([_counts(row) for row in rows], schema=dtypes)


def _counts(row: Mapping[str, Any]) -> dict[str, Any]:
    tools = ToolSet(orjson.loads(row["tools"]) if row["tools"] else ())
    calls = {side: parse_tool_calls(row[side]) for side in ("chosen", "rejected")}
    wrong = {side: _problems(tools, found) for side, found in calls.items()}
    problems = [f"{side}: {problem}" for side, found in wrong.items() for problem in found]
    some = bool(calls["chosen"] or calls["rejected"])
    asked = [_unasked([*row["prompt"], *row[side]]) for side in calls]
    return {
        **{side: len(found) for side, found in calls.items()},
        **{f"{side}_wrong": len(found) for side, found in wrong.items()},
        "same": are_same_calls(calls["chosen"], calls["rejected"]) if some else None,
        "orphans": max(asked),
        "status": problems[0] if problems else "ok",
    }


def _problems(tools: ToolSet, calls: list[Call]) -> list[str]:
    return [problem for call in calls if (problem := tools.problem(call)) is not None]


def _unasked(messages: list[dict[str, Any]]) -> int:
    """Results of tools in a conversation that are more than the calls before them."""
    open_calls, orphans = 0, 0
    for message in messages:
        if message["role"] == "tool":
            orphans += open_calls == 0
            open_calls = max(open_calls - 1, 0)
        else:
            open_calls += len(parse_tool_calls([message]))
    return orphans
