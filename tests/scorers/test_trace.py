"""Traces of reasoning, in texts and beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from curate.read.pairs import read_pairs
from curate.scorers.trace import Trace
from curate.steps.context import Context
from tests.helpers import write_jsonl

GERMAN = "Das ist ein langer deutscher Satz, in dem niemand etwas Englisches vermuten wird."
ENGLISH = "This is a long English sentence in which nobody would look for a German word at all."


def assistant_turn(content: str, **more: Any) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": content, **more}]


def scored(tmp_path: Path, *answers: tuple[Any, Any]) -> list[dict[str, Any]]:
    rows = [{"prompt": assistant_turn("p"), "chosen": c, "rejected": r} for c, r in answers]
    pairs = read_pairs(str(write_jsonl(tmp_path / "rows.jsonl", rows))).frame
    return Trace().score(pairs, Context()).to_dicts()


def test_lengths_of_trace_and_answer_in_both_spellings(tmp_path: Path) -> None:
    beside, inside = (
        assistant_turn("six", reasoning_content="2 * 3"),
        assistant_turn("<think>\n2 * 3\n</think>\n\nsix"),
    )
    (scores,) = scored(tmp_path, (beside, inside))
    assert (scores["chosen_trace"], scores["rejected_trace"]) == (5, 5)
    assert (scores["chosen_answer"], scores["rejected_answer"]) == (3, 3)
    assert not scores["one_sided"]


def test_one_sided_and_cut_off_traces(tmp_path: Path) -> None:
    rows = scored(
        tmp_path,
        (assistant_turn("<think>why not</think>yes"), assistant_turn("no")),
        (assistant_turn("<think>why not"), assistant_turn("no thought</think>no")),
        (assistant_turn("yes"), assistant_turn("no")),
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
    (scores,) = scored(
        tmp_path,
        (
            assistant_turn(f"<think>{GERMAN}</think>{ENGLISH}"),
            assistant_turn(ENGLISH, reasoning_content=ENGLISH),
        ),
    )
    assert scores["chosen_same_language"] is False
    assert scores["rejected_same_language"] is True
    (short,) = scored(tmp_path, (assistant_turn("<think>ja</think>yes"), assistant_turn("no")))
    assert short["chosen_same_language"] is None
