"""Tool calls of both answers, checked against the tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import polars as pl

from curate import LOWER, Column, Context, Parameters, Scope, Scorer
from curate.scorers.tool_calls.calls import Call, ToolSet, are_same_calls, parse_tool_calls


class ToolCalls(Scorer[Parameters]):
    r"""Count tool calls in both answers, and those that no tool would accept.

    `chosen` and `rejected` count calls. `chosen_wrong` and `rejected_wrong` count calls whose
    arguments are not a JSON object, whose name no tool has, or whose arguments break the tool's
    JSON schema (draft 2020-12); without `tools` only the first is checked. `same` says whether both
    answers make the same calls; `orphans` counts tool results without a call. Use it to find chosen
    answers with calls that cannot run.

    Examples:
        >>> from curate import score
        >>> call = '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
        >>> row = {"prompt": "Weather in Oslo?", "chosen": call, "rejected": "Sunny."}
        >>> score([row], "tool_calls").frame["tool_calls.chosen"].to_list()
        [1]
    """

    name = "tool_calls"
    purpose = "texts"
    when = "For tool-calling data: find pairs whose chosen answer makes a call that cannot run."
    summary = "number of tool calls, and of those with wrong arguments, names or parameters"
    reference = "JSON Schema, draft 2020-12"
    scope = Scope.ROW
    single_answer_columns = ("chosen", "chosen_wrong", "orphans", "status")
    Params = Parameters

    def columns(self) -> tuple[Column, ...]:
        """Return counts of both answers, and whether they make the same calls."""
        return (
            Column("chosen", "calls of the chosen answer", "int"),
            Column("rejected", "calls of the rejected answer", "int"),
            Column("chosen_wrong", "wrong calls of the chosen answer", "int", LOWER),
            Column("rejected_wrong", "wrong calls of the rejected answer", "int", LOWER),
            Column(
                "same", "both answers make the same calls; null where neither makes one", "bool"
            ),
            Column("orphans", "tool results without a call before them", "int", LOWER),
            Column("status", "ok, or the problem of the first wrong call", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return counts of a batch."""
        rows = pairs.select("prompt", "chosen", "rejected", "tools").iter_rows(named=True)
        dtypes = {c.name: c.dtype for c in self.columns()}
        return pl.DataFrame([_count_calls(row) for row in rows], schema=dtypes)


def _count_calls(row: Mapping[str, Any]) -> dict[str, Any]:
    tools = ToolSet(orjson.loads(row["tools"]) if row["tools"] else ())
    # A single answer has no other one beside it.
    row = {**row, "rejected": row["rejected"] or ()}
    calls = {side: parse_tool_calls(row[side]) for side in ("chosen", "rejected")}
    wrong = {side: _call_problems(tools, side_calls) for side, side_calls in calls.items()}
    problems = [
        f"{side}: {problem}" for side, side_calls in wrong.items() for problem in side_calls
    ]
    makes_calls = bool(calls["chosen"] or calls["rejected"])
    orphans = [_count_orphan_results([*row["prompt"], *row[side]]) for side in calls]
    return {
        **{side: len(side_calls) for side, side_calls in calls.items()},
        **{f"{side}_wrong": len(side_calls) for side, side_calls in wrong.items()},
        "same": are_same_calls(calls["chosen"], calls["rejected"]) if makes_calls else None,
        "orphans": max(orphans),
        "status": problems[0] if problems else "ok",
    }


def _call_problems(tools: ToolSet, calls: list[Call]) -> list[str]:
    return [problem for call in calls if (problem := tools.problem(call)) is not None]


def _count_orphan_results(messages: list[dict[str, Any]]) -> int:
    """Return the number of tool results without a call before them."""
    open_calls, orphans = 0, 0
    for message in messages:
        if message["role"] == "tool":
            # Parallel calls are answered one by one, so calls are counted down.
            orphans += open_calls == 0
            open_calls = max(open_calls - 1, 0)
        else:
            open_calls += len(parse_tool_calls([message]))
    return orphans
