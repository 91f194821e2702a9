"""Traces of reasoning, in texts and beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from curate.read.pairs import read_pairs
from curate.steps.context import Context
from scorers.trace import Trace
from tests.helpers import write_jsonl

GERMAN = "Das ist ein langer deutscher Satz, in dem niemand etwas Englisches vermuten wird."
ENGLISH = "This is a long English sentence in which nobody would look for a German word at all."


def said(content: str, **more: Any) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": content, **more}]


def scored(tmp_path: Path, *answers: tuple[Any, Any]) -> list[dict[str, Any]]:
    rows = [{"prompt": said("p"), "chosen": c, "rejected": r} for c, r in answers]
    pairs = read_pairs(str(write_jsonl(tmp_path / "rows.jsonl", rows))).frame
    return Trace().score(pairs, Context()).to_dicts()


def test_lengths_of_trace_and_answer_in_both_spellings(tmp_path: Path) -> None:
    beside, inside = said("six", reasoning_content="2 * 3"), said("<think>\n2 * 3\n</think>\n\nsix")
    (found,) = scored(tmp_path, (beside, inside))
    assert (found["chosen_trace"], found["rejected_trace"]) == (5, 5)
    assert (found["chosen_answer"], found["rejected_answer"]) == (3, 3)
    assert not found["one_sided"]


def test_one_sided_and_cut_off_traces(tmp_path: Path) -> None:
    rows = scored(
        tmp_path,
        (said("<think>why not</think>yes"), said("no")),
        (said("<think>why not"), said("no thought</think>no")),
        (said("yes"), said("no")),
    )
    assert [row["one_sided"] for row in rows] == [True, False, False]
    assert [(row["chosen_cut"], row["rejected_cut"]) for row in rows] == [
        (False, False),
        (True, False),
        (False, False),
    ]
    assert rows[1]["chosen_answer"] == 0
    assert rows[1]["rejected_trace"] == len("no thought")


def test_the_language_of_the_trace(tmp_path: Path) -> None:
    (found,) = scored(
        tmp_path,
        (said(f"<think>{GERMAN}</think>{ENGLISH}"), said(ENGLISH, reasoning_content=ENGLISH)),
    )
    assert found["chosen_same_language"] is False
    assert found["rejected_same_language"] is True
    (short,) = scored(tmp_path, (said("<think>ja</think>yes"), said("no")))
    assert short["chosen_same_language"] is None
