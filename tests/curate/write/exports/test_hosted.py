"""Files of hosted fine-tuning, by the schema that each service documents; no service is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate import CurateError, Pairs
from curate.data.table import MESSAGES
from curate.write.export import ExportTarget, export_pairs
from curate.write.shards import write_shards
from tests.helpers import numbered_pairs, published, turn, write_jsonl

TALK = {
    "prompt": [
        *published("Be kind.", "system"),
        *published("hi", "user"),
        *published("hello"),
        *published("more?", "user"),
    ],
    "chosen": published("ho"),
    "rejected": published("no"),
}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": {"x": [1, None]}}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "hm"}
RESULT = {"role": "tool", "content": "4", "tool_call_id": "c"}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


def exported(rows: list[dict[str, Any]], form: str, folder: Path, **more: Any) -> list[Any]:
    """The rows of a form's JSON lines."""
    source = write_jsonl(folder / "rows.jsonl", rows)
    export_pairs(str(source), folder / "out", ExportTarget(form, "jsonl", **more))
    lines = (folder / "out" / "kept" / "part-00000.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("form", ["openai_dpo", "azure_dpo"])
def test_hosted_dpo(form: str, tmp_path: Path) -> None:
    (row,) = exported([TALK], form, tmp_path)
    assert row.keys() == {"input", "preferred_output", "non_preferred_output"}
    assert row["input"] == {"messages": TALK["prompt"]}
    assert row["preferred_output"] == TALK["chosen"]
    assert row["non_preferred_output"] == TALK["rejected"]


@pytest.mark.parametrize("arguments", [{"x": [1, None]}, '{"x": [1, null]}', {}, None])
def test_arguments_of_calls_are_json_texts(arguments: Any, tmp_path: Path) -> None:
    function = {"name": "f", "arguments": arguments}
    calling = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "c", "function": function}],
    }
    calls = [calling]
    prompt = [*published("q", "user"), *calls, RESULT]
    row = {"prompt": prompt, "chosen": calls, "rejected": published("no"), "tools": TOOLS}
    (exported_row,) = exported([row], "openai_dpo", tmp_path)
    for message in (exported_row["input"]["messages"][1], exported_row["preferred_output"][0]):
        (call,) = message["tool_calls"]
        assert (call["id"], call["type"]) == ("c", "function")
        assert isinstance(call["function"]["arguments"], str)
        assert json.loads(call["function"]["arguments"]) in (arguments, {"x": [1, None]}, {})
    assert exported_row["input"]["tools"] == TOOLS


def test_an_old_function_call_has_a_text_too(tmp_path: Path) -> None:
    old = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": {}}}
    rows = [TALK | {"chosen": [old]}]
    (exported_row,) = exported(rows, "openai_dpo", tmp_path)
    assert exported_row["preferred_output"][0]["function_call"] == {"name": "f", "arguments": "{}"}


def test_keys_that_no_service_documents_are_refused_or_left_out(tmp_path: Path) -> None:
    rows = [TALK | {"chosen": [CALLING | {"mood": 1}]}]
    with pytest.raises(CurateError, match="reasoning in 1 of 1 pairs; other message keys in 1"):
        exported(rows, "openai_dpo", tmp_path)
    (exported_row,) = exported(rows, "openai_dpo", tmp_path, allow_loss=True)
    assert exported_row["preferred_output"][0].keys() == {"role", "content", "tool_calls"}


def test_answers_of_several_messages_go_to_azure_alone(tmp_path: Path) -> None:
    calling = {key: CALLING[key] for key in ("role", "content", "tool_calls")}
    rows = [TALK | {"chosen": [calling, RESULT, *published("4")]}]
    with pytest.raises(CurateError, match="answers of several messages"):
        exported(rows, "openai_dpo", tmp_path)
    (exported_row,) = exported(rows, "azure_dpo", tmp_path)
    assert [m["role"] for m in exported_row["preferred_output"]] == [
        "assistant",
        "tool",
        "assistant",
    ]
    assert exported_row["non_preferred_output"] == published("no")


@pytest.mark.parametrize("answer", [[*published("a"), *published("q", "user")], [RESULT]])
def test_azure_refuses_other_speakers(answer: list[dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="cannot represent these answers"):
        exported([TALK | {"rejected": answer}], "azure_dpo", tmp_path)


def test_vertex_by_its_documented_schema(tmp_path: Path) -> None:
    (row,) = exported([TALK], "vertex", tmp_path)
    assert row.keys() == {"system_instruction", "contents", "completions"}
    assert row["system_instruction"] == {"parts": [{"text": "Be kind."}]}
    assert [content["role"] for content in row["contents"]] == ["user", "model", "user"]
    assert row["contents"][0] == {"role": "user", "parts": [{"text": "hi"}]}
    best, worst = row["completions"]
    assert (best["score"], worst["score"]) == (1, 0)
    assert best["completion"] == {"role": "model", "parts": [{"text": "ho"}]}


@pytest.mark.parametrize("prompt", [turn("t", "tool"), turn("q", "user") + turn("s", "system")])
def test_vertex_refuses_roles_that_it_does_not_know(
    tmp_path: Path, prompt: list[dict[str, Any]]
) -> None:
    frame = numbered_pairs(5).with_columns(prompt=pl.lit(prompt, dtype=MESSAGES))
    write_shards([Pairs(frame).frame], tmp_path / "pairs", "parquet", 100)
    with pytest.raises(CurateError, match="other roles"):
        export_pairs(str(tmp_path / "pairs"), tmp_path / "out", ExportTarget("vertex", "jsonl"))
