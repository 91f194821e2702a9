"""axolotl reads all that its forms claim, by its own loader and TRL's trainers within it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from curate import CurateError, Pipeline
from curate.write.export import ExportTarget, export_pairs
from tests.helpers import published, write_jsonl
from tests.models import tiny_tokenizer
from tests.trainers import TEMPLATE, axolotl_rows

pytestmark = pytest.mark.slow
TOOLS = [{"type": "function", "function": {"name": "zoom", "parameters": {"type": "object"}}}]
ASK = [*published("Be kind.", "system"), *published("when?", "user")]
PLAIN = {"prompt": ASK, "chosen": published("yes"), "rejected": published("no")}


def calling(content: str | None, arguments: Any, **more: Any) -> dict[str, Any]:
    call = {"id": "c", "type": "function", "function": {"name": "zoom", "arguments": arguments}}
    return {"role": "assistant", "content": content, "tool_calls": [call], **more}


CALLS = [
    PLAIN | {"chosen": [calling("", {"time": "2025-08-01"})], "tools": TOOLS},
    PLAIN | {"chosen": [calling(None, {"time": 1690876800}, reasoning_content="hm")]},
    PLAIN | {"chosen": [calling("Well.", {"time": [1, "a", None]})], "tools": TOOLS},
    PLAIN | {"rejected": published("no more")},
]


@pytest.fixture
def tokenizer(tmp_path: Path) -> Any:
    return tiny_tokenizer(tmp_path, template=TEMPLATE)


def exported(rows: list[dict[str, Any]], folder: Path, form: str = "axolotl") -> Path:
    export_pairs(str(write_jsonl(folder / "rows.jsonl", rows)), folder / "out", ExportTarget(form))
    return folder / "out"


def test_plain_texts_by_the_chat_template(tmp_path: Path, tokenizer: Any) -> None:
    (row,) = axolotl_rows(exported([PLAIN], tmp_path), tokenizer)
    assert row.prompt == "<|system|>Be kind.<eos>\n<|user|>when?<eos>\n<|assistant|>"
    assert row.answers == ("yes<eos>", "no<eos>")


def test_tools_calls_and_traces_are_trained_on(tmp_path: Path, tokenizer: Any) -> None:
    rows = axolotl_rows(exported(CALLS, tmp_path), tokenizer, shuffle_merged_datasets=False)
    first, second, third, plain = rows
    assert "zoom" in first.prompt
    assert "zoom" not in second.prompt
    assert '"time": "2025-08-01"' in first.answers[0]
    assert second.answers[0].startswith("<think>hm</think><call>")
    assert "1690876800" in second.answers[0]
    assert third.answers[0].startswith("Well.<call>")
    assert plain.answers == ("yes<eos>\n", "no more<eos>\n")
    assert "dummy" not in str(rows)


def test_arguments_of_the_template_reach_it(tmp_path: Path) -> None:
    template = "{{ mood }}{{ documents }}" + TEMPLATE
    row = PLAIN | {"chat_template_kwargs": {"mood": "glad"}, "documents": [{"text": "facts"}]}
    (trained_row,) = axolotl_rows(
        exported([row], tmp_path), tiny_tokenizer(tmp_path, template=template)
    )
    assert "glad" in trained_row.prompt
    assert "facts" in trained_row.prompt


def test_answers_of_several_messages_with_calls(tmp_path: Path, tokenizer: Any) -> None:
    result = {"role": "tool", "content": "4", "tool_call_id": "c"}
    long = [calling(None, {"x": 1}), result, *published("It is 4.")]
    (row,) = axolotl_rows(exported([PLAIN | {"chosen": long}], tmp_path), tokenizer)
    assert row.answers[0].startswith("<call>")
    assert row.answers[0].endswith("<|tool|>4<eos>\n<|assistant|>It is 4.<eos>\n")


def test_plain_answers_of_several_messages_are_refused(tmp_path: Path) -> None:
    long = [*published("a"), *published("b", "user"), *published("c")]
    with pytest.raises(CurateError, match="answers of several messages"):
        exported([PLAIN | {"chosen": long}], tmp_path)


@pytest.mark.parametrize("file_type", ["parquet", "jsonl", "dataset"])
def test_all_shards_of_the_split_to_train_on(
    file_type: Any, tmp_path: Path, tokenizer: Any
) -> None:
    rows = [row | {"prompt": [*ASK, *published(str(i), "user")]} for i, row in enumerate(CALLS * 5)]
    output = {"format": "axolotl", "rows_per_shard": 3, "splits": {"train": 0.75, "test": 0.25}}
    config = {
        "input": {"path": str(write_jsonl(tmp_path / "rows.jsonl", rows))},
        "output": output | {"file_type": file_type},
    }
    Pipeline(config).run(output=tmp_path / "out")
    assert len(axolotl_rows(tmp_path / "out", tokenizer)) == 15


def test_kto_takes_the_rows_in_their_order(tmp_path: Path, tokenizer: Any) -> None:
    rows = [
        row | {"prompt": published(str(i), "user")} for i, row in enumerate([*CALLS, PLAIN, PLAIN])
    ]
    folder = exported(rows, tmp_path, "axolotl_kto")
    trained_rows = axolotl_rows(folder, tokenizer)
    assert len(trained_rows) == 12
    assert sum(bool(row.label) for row in trained_rows) == 6
    prompts = [row.prompt for row in trained_rows]
    assert all(one != other for one, other in pairwise(prompts))
    answers = {(row.label, row.answers[0]) for row in trained_rows}
    assert (
        True,
        '<think>hm</think><call>{"name": "zoom", "arguments": {"time": 1690876800}}</call><eos>\n',
    ) in answers
