"""Token ids of conversations with tools, traces and arguments against TRL's own tokenisation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curate.models.lm.answer_logprobs import answer_logprobs
from curate.models.lm.conversations import distinct_conversations
from curate.models.lm.tokens import ConversationEncoder, RenderedConversation
from curate.read.pairs import read_pairs
from curate.steps.context import Context
from curate.steps.models import Inference, ModelSpec
from curate.write.export import ExportTarget, export_pairs
from tests.helpers import write_jsonl
from tests.models import tiny_causal, tiny_tokenizer

trl = pytest.importorskip("trl")

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "weather of a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]
CALL = {"type": "function", "function": {"name": "weather", "arguments": {"city": "Oslo"}}}
ROWS = [
    {
        "prompt": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Weather in Oslo?"},
        ],
        "chosen": [{"role": "assistant", "content": "", "tool_calls": [CALL]}],
        "rejected": [{"role": "assistant", "content": "It is sunny."}],
        "tools": TOOLS,
    },
    {
        "prompt": [{"role": "user", "content": "Oslo?"}],
        "chosen": [
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            {"role": "tool", "name": "weather", "content": "rain"},
            {"role": "assistant", "content": "It rains.", "reasoning_content": "rain it is"},
        ],
        "rejected": [{"role": "assistant", "content": "Sun.", "reasoning_content": "I guess"}],
        "tools": TOOLS,
    },
    {
        "prompt": [{"role": "user", "content": "Think?"}],
        "chosen": [{"role": "assistant", "content": "Yes."}],
        "rejected": [{"role": "assistant", "content": "No."}],
        "chat_template_kwargs": {"enable_thinking": False},
    },
]


def template(name: str) -> str:
    return (Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja").read_text()


def trl_ids(tokenizer: Any, row: dict[str, Any], side: str) -> tuple[list[int], list[int]]:
    """Prompt and whole conversation as DPOTrainer tokenises them."""
    from trl.data_utils import _tokenize

    template_arguments = {"tools": row.get("tools"), **(row.get("chat_template_kwargs") or {})}
    before = _tokenize(tokenizer, row["prompt"], add_generation_prompt=True, **template_arguments)
    full_ids = _tokenize(tokenizer, row["prompt"] + row[side], **template_arguments)
    return before["input_ids"], full_ids["input_ids"]


@pytest.mark.parametrize("name", ["qwen2_5", "qwen3", "glm4moe"])
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_token_ids_are_those_of_trl(name: str, kind: str, tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer(tmp_path / "model", template=template(name))
    pairs = read_pairs(str(write_jsonl(tmp_path / "rows.jsonl", ROWS))).frame
    export_pairs(str(tmp_path / "rows.jsonl"), tmp_path / "out", ExportTarget("trl", kind))
    rows = loaded(tmp_path / "out" / "kept", kind)
    encoder, texts = (
        ConversationEncoder(tokenizer, Inference(max_prompt_tokens=9999)),
        distinct_conversations(pairs),
    )
    for number, row in enumerate(rows):
        for side, places in (("chosen", texts.chosen), ("rejected", texts.rejected)):
            at = int(places[number])
            rendered = encoder.render(texts.prompts[at], texts.answers[at])
            assert isinstance(rendered, RenderedConversation), rendered
            (encoded,) = encoder.encode([rendered])
            before, full_ids = trl_ids(tokenizer, row, side)
            assert [*encoded.prompt, *encoded.answer] == full_ids
            assert list(encoded.prompt) == before[: len(encoded.prompt)]


def loaded(folder: Path, kind: str) -> list[dict[str, Any]]:
    """The shards as `datasets` loads them, as a trainer would."""
    from datasets import load_dataset

    loader = {"jsonl": "json", "parquet": "parquet"}[kind]
    dataset = load_dataset(loader, data_files=str(folder / f"*.{kind}"), split="train")
    return [dict(row) for row in dataset]


def test_scores_depend_on_tools_and_arguments(tmp_path: Path) -> None:
    folder = tiny_causal(tmp_path / "model")
    tiny_tokenizer(folder, template=template("qwen3"))
    bare = [{k: v for k, v in row.items() if k in ("prompt", "chosen", "rejected")} for row in ROWS]
    paths = [write_jsonl(tmp_path / f"{i}.jsonl", rows) for i, rows in enumerate((ROWS, bare))]
    spec, context = ModelSpec(name=str(folder)), Context(inference=Inference(device="cpu"))
    logprobs = [answer_logprobs(read_pairs(str(p)).frame, context, spec).chosen for p in paths]
    assert (logprobs[0] != logprobs[1]).all()


def test_documents_are_arguments_of_the_template(tmp_path: Path) -> None:
    row = ROWS[2] | {"documents": [{"title": "t", "text": "x"}]}
    pairs = read_pairs(str(write_jsonl(tmp_path / "rows.jsonl", [row]))).frame
    assert json.loads(pairs["documents"][0]) == row["documents"]
    prompt = distinct_conversations(pairs).prompts[0]
    assert prompt.arguments == {"enable_thinking": False, "documents": row["documents"]}
