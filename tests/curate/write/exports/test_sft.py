"""Single answers as trainers for supervised fine-tuning read them, by their own code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate import CurateError, Pipeline
from curate.write.export import ExportTarget, export_pairs
from tests.helpers import write_jsonl
from tests.models import tiny_tokenizer
from tests.trainers import TEMPLATE, axolotl_sft_rows, llamafactory_rows, trl_sft_rows

TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is 2 + 2?"},
    {"role": "assistant", "content": "4"},
    {"role": "user", "content": "And 3 + 3?"},
    {"role": "assistant", "content": "6"},
]
CALL = {"type": "function", "function": {"name": "add", "arguments": {"a": 2, "b": 2}}}
TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]
TOOL_TURNS = [
    {"role": "user", "content": "What is 2 + 2?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "content": "4"},
    {"role": "assistant", "content": "It is 4."},
]


def write(folder: Path, rows: list[dict[str, Any]], form: str = "sft") -> Path:
    Pipeline({"output": {"format": form}, "store": None}).run(rows, output=folder / "out")
    return folder / "out"


def rendered(tokenizer: Any, turns: list[dict[str, Any]], tools: Any = None) -> str:
    return tokenizer.apply_chat_template(turns, tools=tools, tokenize=False)


def test_plain_conversations(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer(tmp_path, template=TEMPLATE)
    folder = write(tmp_path, [{"messages": TURNS}, {"messages": TURNS[1:3]}])
    expected = [rendered(tokenizer, TURNS), rendered(tokenizer, TURNS[1:3])]
    assert trl_sft_rows(folder, tokenizer) == expected
    assert [row for row, _ in axolotl_sft_rows(folder, tokenizer)] == expected


def test_plain_conversations_for_llamafactory(tmp_path: Path) -> None:
    rows = [{"messages": TURNS}, {"messages": TURNS[1:3]}]
    folder = write(tmp_path, rows, "llamafactory_sft")
    (dialogue, single) = llamafactory_rows(folder, tiny_tokenizer(tmp_path))
    assert "Be brief." in dialogue.prompt
    assert dialogue.answers[0].replace("<eos>", "").split()[-1].startswith("6")
    assert "What is 2 + 2?" in single.prompt
    assert single.answers[0].startswith("4")


def test_tools_and_calls(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer(tmp_path, template=TEMPLATE)
    rows = [{"messages": TOOL_TURNS, "tools": json.dumps(TOOLS)}, {"messages": TURNS}]
    folder = write(tmp_path, rows)
    texts = trl_sft_rows(folder, tokenizer)
    assert texts == [rendered(tokenizer, TOOL_TURNS, TOOLS), rendered(tokenizer, TURNS)]
    called, plain = axolotl_sft_rows(folder, tokenizer)
    assert (called[0], plain[0]) == (texts[0], texts[1])
    # It trains on the calls and the answer, not on the question, the result or the tools.
    assert '<call>{"name": "add", "arguments": {"a": 2, "b": 2}}</call>' in called[1]
    assert "It is 4." in called[1]
    assert "What is" not in called[1]
    assert "<tools>" not in called[1]


def test_calls_of_rows_whose_template_does_not_name_them_reach_axolotl(tmp_path: Path) -> None:
    # By default axolotl passes on what it finds as `message.NAME` in the template alone.
    template = TEMPLATE.replace("m['tool_calls']", "m.get('tool_calls')")
    tokenizer = tiny_tokenizer(tmp_path, template=template)
    folder = write(tmp_path, [{"messages": TOOL_TURNS, "tools": json.dumps(TOOLS)}])
    ((text, _),) = axolotl_sft_rows(folder, tokenizer)
    assert text == rendered(tokenizer, TOOL_TURNS, TOOLS)


def test_traces_reach_axolotl_and_llamafactory(tmp_path: Path) -> None:
    answer = {"role": "assistant", "content": "4", "reasoning_content": "2 and 2"}
    rows = [{"messages": [TURNS[1], answer]}]
    tokenizer = tiny_tokenizer(tmp_path, template=TEMPLATE)
    ((text, trained),) = axolotl_sft_rows(write(tmp_path, rows), tokenizer)
    assert text == rendered(tokenizer, rows[0]["messages"])
    assert "<think>2 and 2</think>4" in trained
    other = write(tmp_path / "other", rows, "llamafactory")
    (row,) = llamafactory_rows(other, tiny_tokenizer(tmp_path))
    assert row.answers[0].startswith("<think>\n2 and 2\n</think>")


def test_tools_and_calls_for_llamafactory(tmp_path: Path) -> None:
    rows = [
        {"messages": TOOL_TURNS, "tools": json.dumps(TOOLS)},
        {"messages": TOOL_TURNS[:2], "tools": json.dumps(TOOLS)},
        {"messages": TURNS[1:3], "tools": None},
    ]
    folder = write(tmp_path, rows, "llamafactory")
    dialogue, call, plain = llamafactory_rows(folder, tiny_tokenizer(tmp_path))
    call_text = '{"name": "add", "arguments": {"a": 2, "b": 2}}'
    assert "# Tools" in dialogue.prompt
    assert call_text in dialogue.prompt + dialogue.answers[0]
    assert dialogue.answers[0].endswith("It is 4.<|im_end|>\n")
    assert call.answers[0].startswith(f"<tool_call>\n{call_text}")
    assert "# Tools" not in plain.prompt


@pytest.mark.parametrize(
    ("form", "written"),
    [("trl", "sft"), ("axolotl", "sft"), ("llamafactory", "llamafactory_sft")],
)
def test_the_format_of_pairs_becomes_that_of_single_answers(
    tmp_path: Path, form: str, written: str
) -> None:
    rows = [{"messages": TURNS}]
    result = Pipeline({"output": {"format": form}, "store": None}).run(rows, output=tmp_path / "a")
    note = f"the rows are single answers: written in the format '{written}' instead of '{form}'"
    assert note in result.warnings
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert manifest["output"]["format"] == written
    data = write_jsonl(tmp_path / "rows.jsonl", rows)
    for number, source in enumerate((tmp_path / "a", data)):
        target = ExportTarget(form)
        exported = export_pairs(str(source), tmp_path / f"out{number}", target)
        assert exported.warnings[0] == note
        column = "messages" if written == "sft" else "conversations"
        shard = pl.read_parquet(tmp_path / f"out{number}" / "kept" / "*.parquet")
        assert column in shard.columns


def test_chosen_answers_of_pairs(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer(tmp_path, template=TEMPLATE)
    sides = {"chosen": TURNS[4:], "rejected": [TURNS[2]]}
    folder = write(tmp_path, [{"prompt": TURNS[:4], **sides}], "sft_chosen")
    assert trl_sft_rows(folder, tokenizer) == [rendered(tokenizer, TURNS)]
    assert [row for row, _ in axolotl_sft_rows(folder, tokenizer)] == [rendered(tokenizer, TURNS)]
    with pytest.raises(CurateError, match="the rows are single answers"):
        write(tmp_path / "single", [{"messages": TURNS}], "sft_chosen")


def test_a_form_of_pairs_is_refused_and_the_form_of_single_answers_for_pairs(
    tmp_path: Path,
) -> None:
    pipeline = Pipeline({"output": {"format": "openrlhf"}, "store": None})
    with pytest.raises(CurateError, match="the rows are single answers") as caught:
        pipeline.run([{"messages": TURNS}], output=tmp_path / "a")
    assert "sft" in str(caught.value)
    pair = [{"prompt": "q", "chosen": "a", "rejected": "b"}]
    with pytest.raises(CurateError, match="the rows are pairs"):
        Pipeline({"output": {"format": "sft"}, "store": None}).run(pair, output=tmp_path / "b")
    assert not list(tmp_path.iterdir())


def test_rows_without_a_prompt_are_mentioned(tmp_path: Path) -> None:
    config = {"output": {"format": "sft"}, "store": None}
    result = Pipeline(config).run([{"text": "Once upon a time."}], output=tmp_path / "out")
    assert any("1 of 1 kept rows have no prompt" in warning for warning in result.warnings)
