"""Single answers as trainers for supervised fine-tuning read them, by their own code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curate import CurateError, Pipeline
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


def write(folder: Path, rows: list[dict[str, Any]]) -> Path:
    Pipeline({"output": {"format": "sft"}, "store": None}).run(rows, output=folder / "out")
    return folder / "out"


def rendered(tokenizer: Any, turns: list[dict[str, Any]], tools: Any = None) -> str:
    return tokenizer.apply_chat_template(turns, tools=tools, tokenize=False)


def test_plain_conversations(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer(tmp_path, template=TEMPLATE)
    folder = write(tmp_path, [{"messages": TURNS}, {"messages": TURNS[1:3]}])
    expected = [rendered(tokenizer, TURNS), rendered(tokenizer, TURNS[1:3])]
    assert trl_sft_rows(folder, tokenizer) == expected
    assert axolotl_sft_rows(folder, tokenizer) == expected
    (dialogue, single) = llamafactory_rows(folder, tokenizer)
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
    # Other trainers' readers of such messages lose calls, or add a system text of their own.
    assert not (folder / "axolotl.yaml").exists()
    assert not (folder / "dataset_info.json").exists()


def test_a_form_of_pairs_is_refused_and_the_form_of_single_answers_for_pairs(
    tmp_path: Path,
) -> None:
    with pytest.raises(CurateError, match="the rows are single answers") as caught:
        Pipeline({"store": None}).run([{"messages": TURNS}], output=tmp_path / "a")
    assert "sft" in str(caught.value)
    pair = [{"prompt": "q", "chosen": "a", "rejected": "b"}]
    with pytest.raises(CurateError, match="the rows are pairs"):
        Pipeline({"output": {"format": "sft"}, "store": None}).run(pair, output=tmp_path / "b")
    assert not list(tmp_path.iterdir())


def test_rows_without_a_prompt_are_mentioned(tmp_path: Path) -> None:
    config = {"output": {"format": "sft"}, "store": None}
    result = Pipeline(config).run([{"text": "Once upon a time."}], output=tmp_path / "out")
    assert any("1 of 1 kept rows have no prompt" in warning for warning in result.warnings)
