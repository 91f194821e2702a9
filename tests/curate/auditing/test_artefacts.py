"""Artefacts that one answer alone has, in the audit and as a filter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate.auditing.artefacts import audit_artefacts
from curate.filters.artefacts import Artefacts
from curate.models.text.artefacts import ARTEFACTS, Artefact, has_artefact
from curate.read.pairs import read_pairs
from curate.steps.context import Context
from tests.helpers import pairs_of, write_jsonl

LONG = "This answer is long enough that a reader would expect it to end like a sentence, "


def has(kind: Artefact, *texts: str) -> list[bool]:
    pairs = pairs_of([{"prompt": "p", "chosen": text, "rejected": "no"} for text in texts])
    return pairs.select(has_artefact(kind, "chosen")).to_series().to_list()


def test_kinds() -> None:
    assert has("trace", "<think>a</think>b", "b</think>", "I think") == [True, True, False]
    assert has("tool_call", '<tool_call>{"name": "x"}</tool_call>', "a tool call") == [True, False]
    tokens = ["hi<|im_end|>", "hi</s>", "[INST] hi", "a\n### Assistant: b", "<end_of_turn>"]
    assert has("template_token", *tokens) == [True] * 5
    assert has("template_token", "a < b", "<b>x</b>", "[1]", "use <s-tag>") == [False] * 4
    assert has("cut_off", LONG + "but it", LONG + "then,", "```py\nx = 1") == [True] * 3
    assert has("cut_off", LONG + "done.", "short", "```py\nx = 1\n```", LONG + "ok!") == [False] * 4
    assert has("assistant_name", "As ChatGPT, I", "I am Claude.", "Qwen2 here") == [True] * 3
    assert has("assistant_name", "a cloud", "the clause", "Mistralian") == [False] * 3
    assert has("leading_space", " a", "\na", "a ") == [True, True, False]


def test_the_audit_counts_one_sided_pairs_and_the_share_of_chosen() -> None:
    rows = [{"prompt": f"p{i}", "chosen": " yes", "rejected": "no"} for i in range(9)]
    rows += [{"prompt": "q", "chosen": "yes", "rejected": " no"}]
    rows += [{"prompt": "r", "chosen": " yes", "rejected": " no"}]
    rows += [{"prompt": "t", "chosen": " yes", "rejected": "no", "is_tie": True}]
    result = {row.trait: row for row in audit_artefacts(pairs_of(rows))}
    assert set(result) == {kind.replace("_", " ") for kind in ARTEFACTS}
    space = result["leading space"]
    assert (space.pairs, space.share) == (10, 0.9)
    # Clopper-Pearson for 9 of 10.
    assert (space.low, space.high) == pytest.approx((0.555, 0.9975), abs=1e-3)
    assert result["trace"].pairs == 0
    assert result["trace"].share is None


def test_images_calls_and_traces_beside_the_text(tmp_path: Path) -> None:
    def answer(content: Any, **more: Any) -> list[dict[str, Any]]:
        return [{"role": "assistant", "content": content, **more}]

    call = [{"function": {"name": "f", "arguments": "{}"}}]
    rows = [
        {"prompt": "p", "chosen": answer([{"type": "image"}]), "rejected": answer("no")},
        {"prompt": "q", "chosen": answer("a", tool_calls=call), "rejected": answer("no")},
        {"prompt": "r", "chosen": answer("a"), "rejected": answer("no", reasoning_content="why")},
    ]
    pairs = read_pairs(str(write_jsonl(tmp_path / "rows.jsonl", rows))).frame
    result = {row.trait: (row.pairs, row.share) for row in audit_artefacts(pairs)}
    assert result["image"] == (1, 1.0)
    assert result["tool call"] == (1, 1.0)
    assert result["trace"] == (1, 0.0)


PAIRS = pairs_of(
    [{"prompt": f"p{i}", "chosen": " yes", "rejected": "no"} for i in range(6)]
    + [{"prompt": f"q{i}", "chosen": "yes", "rejected": "no</s>"} for i in range(3)]
    + [{"prompt": f"r{i}", "chosen": "yes", "rejected": " no"} for i in range(2)]
    + [{"prompt": "s", "chosen": "yes", "rejected": "no"}]
)


def test_drop() -> None:
    result = Artefacts(kinds=["leading_space"]).apply(PAIRS, Context())
    assert result.keep.to_list() == [False] * 6 + [True] * 3 + [False] * 2 + [True]
    assert result.reason[0] == "only one answer has: leading_space"
    assert result.added is not None
    assert result.added["found"].to_list() == ["leading_space"] * 6 + [None] * 3 + (
        ["leading_space"] * 2 + [None]
    )


def test_balance_leaves_an_artefact_as_often_chosen_as_rejected() -> None:
    kinds = ["leading_space", "template_token"]
    result = Artefacts(kinds=kinds, action="balance").apply(PAIRS, Context(seed=1))
    kept_pairs = PAIRS.filter(result.keep)
    shares = {row.trait: (row.pairs, row.share) for row in audit_artefacts(kept_pairs)}
    assert shares["leading space"] == (4, 0.5)
    assert shares["template token"][0] == 0
    again = Artefacts(kinds=kinds, action="balance").apply(PAIRS, Context(seed=1))
    assert again.keep.to_list() == result.keep.to_list()


def test_strip_changes_texts_and_drops_nothing(tmp_path: Path) -> None:
    result = Artefacts(action="strip").apply(PAIRS, Context())
    assert result.keep.all()
    assert result.changed is not None
    texts = {
        side: [turns[0]["content"] for turns in result.changed[side]]
        for side in ("chosen", "rejected")
    }
    assert set(texts["chosen"]) == {"yes"}
    assert set(texts["rejected"]) == {"no"}
    row = {
        "prompt": "p",
        "chosen": [{"role": "assistant", "content": " a", "name": "x"}],
        "rejected": [{"role": "assistant", "content": " b</s>"}],
    }
    pairs = read_pairs(str(write_jsonl(tmp_path / "rows.jsonl", [row]))).frame
    changed = Artefacts(action="strip").apply(pairs, Context()).changed
    assert isinstance(changed, pl.DataFrame)
    assert changed["chosen"].to_list() == pairs["chosen"].to_list()
    assert changed["rejected"][0][0]["content"] == "b"
