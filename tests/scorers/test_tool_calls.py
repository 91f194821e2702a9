"""Tool calls are counted and checked against the tools' schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate.read.pairs import read_pairs
from curate.scorers.tool_calls import ToolCalls
from curate.steps.context import Context
from tests.helpers import write_jsonl

WEATHER = {
    "name": "weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
TOOLS = [{"type": "function", "function": WEATHER}]


def calls(*functions_called: tuple[str, Any], **more: Any) -> list[dict[str, Any]]:
    functions = [
        {"function": {"name": name, "arguments": arguments}} for name, arguments in functions_called
    ]
    return [{"role": "assistant", "content": None, "tool_calls": functions, **more}]


def text(content: str) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": content}]


def scored(tmp_path: Path, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    full = [{"prompt": text("p"), "rejected": text("no"), "tools": TOOLS, **row} for row in rows]
    pairs = read_pairs(str(write_jsonl(tmp_path / "rows.jsonl", full))).frame
    return ToolCalls().score(pairs, Context()).to_dicts()


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (("weather", '{"city": "Oslo"}'), None),
        (("weather", {"city": "Oslo", "days": 2}), None),
        (("weather", "{city: Oslo}"), "arguments of 'weather' are no JSON object"),
        (("weather", "[1]"), "arguments of 'weather' are no JSON object"),
        (("weather", {}), "'city' is a required property"),
        (("weather", {"city": 3}), "3 is not of type 'string'"),
        (("weather", {"city": "x", "days": 0}), "0 is less than the minimum of 1"),
        (("weather", {"city": "x", "town": "y"}), "Additional properties are not allowed"),
        (("wether", {"city": "x"}), "there is no tool 'wether'"),
        (("weather", None), "'city' is a required property"),
    ],
)
def test_a_call_is_checked(call: tuple[str, Any], problem: str | None, tmp_path: Path) -> None:
    (scores,) = scored(tmp_path, {"chosen": calls(call)})
    assert (scores["chosen"], scores["rejected"]) == (1, 0)
    assert scores["chosen_wrong"] == (problem is not None)
    assert (problem or "ok") in scores["status"]


def test_calls_in_texts_and_several_forms_of_tools(tmp_path: Path) -> None:
    call_text = '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
    flat = [WEATHER]
    texts = [json.dumps({"type": "function", "function": WEATHER})]
    claude = [{"name": "weather", "input_schema": WEATHER["parameters"]}]
    rows = [
        {
            "chosen": text(call_text + call_text),
            "rejected": text("<tool_call>{oops</tool_call>"),
            "tools": t,
        }
        for t in (TOOLS, flat, texts, claude, json.dumps(TOOLS))
    ]
    for scores in scored(tmp_path, *rows):
        assert (scores["chosen"], scores["chosen_wrong"]) == (2, 0)
        assert (scores["rejected"], scores["rejected_wrong"]) == (1, 1)


def test_the_same_calls_whatever_the_order_of_keys(tmp_path: Path) -> None:
    one, other = {"city": "x", "days": 1}, {"days": 1, "city": "x"}
    rows = [
        {"chosen": calls(("weather", one)), "rejected": calls(("weather", json.dumps(other)))},
        {"chosen": calls(("weather", one)), "rejected": calls(("weather", {"city": "y"}))},
        {"chosen": text("a"), "rejected": text("b")},
    ]
    assert [scores["same"] for scores in scored(tmp_path, *rows)] == [True, False, None]


def test_results_without_a_call(tmp_path: Path) -> None:
    result = {"role": "tool", "content": "rain"}
    call = calls(("weather", {"city": "x"}))
    rows = [
        {"chosen": [*call, result, *text("rain")]},
        {"chosen": [*call, result, result, *text("rain")]},
        {"prompt": [*text("p"), result], "chosen": text("rain")},
    ]
    assert [scores["orphans"] for scores in scored(tmp_path, *rows)] == [0, 1, 1]


def test_without_tools_only_arguments_are_checked(tmp_path: Path) -> None:
    rows = [
        {"chosen": calls(("anything", {"a": 1})), "tools": None},
        {"chosen": calls(("anything", "oops")), "tools": []},
    ]
    assert [scores["chosen_wrong"] for scores in scored(tmp_path, *rows)] == [0, 1]


@pytest.mark.parametrize(
    "schema",
    [{"type": "nonsense"}, {"$ref": "https://example.org/x.json"}, {"$ref": "#/nowhere"}, 3, None],
)
def test_a_schema_that_is_wrong_is_told_and_nothing_is_fetched(schema: Any, tmp_path: Path) -> None:
    tools = [{"name": "weather", "parameters": schema}]
    (scores,) = scored(tmp_path, {"chosen": calls(("weather", {"city": "x"})), "tools": tools})
    is_reported = "the schema of 'weather' is wrong" in scores["status"]
    assert is_reported == isinstance(schema, dict)


def test_an_empty_table_has_the_columns(tmp_path: Path) -> None:
    pairs = read_pairs(
        str(write_jsonl(tmp_path / "r.jsonl", [{"prompt": "p", "chosen": "a", "rejected": "b"}]))
    ).frame
    scores = ToolCalls().score(pairs.clear(), Context())
    assert scores.schema == pl.Schema({c.name: c.dtype for c in ToolCalls().columns()})
