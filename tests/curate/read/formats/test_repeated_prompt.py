"""Answers that repeat the conversation of their prompt are cut, in whichever format they stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curate import CurateError, read_pairs
from tests.curate.read.formats.test_public_formats import answers, read
from tests.helpers import turn, write_jsonl

ASK = turn("q", "user")
SYSTEM = turn("Be brief.", "system")


def plain(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"role": m["role"], "content": m["content"]} for m in messages]


def both(*before: list[dict[str, Any]]) -> dict[str, Any]:
    """Answers that begin with these turns."""
    head = plain([message for turns in before for message in turns])
    return {
        "chosen": head + plain(turn("a")),
        "rejected": head + plain(turn("b")),
    }


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize(
    "prompt_columns",
    [
        {"prompt": "q"},
        {"instruction": "q"},
        {"instruction": "q", "input": ""},
        {"question": "q"},
        {"messages": plain(ASK)},
        {"conversations": [{"from": "human", "value": "q"}]},
    ],
    ids="-".join,
)
def test_the_prompt_stands_once(tmp_path: Path, kind: str, prompt_columns: dict[str, Any]) -> None:
    pairs = read(tmp_path, [prompt_columns | both(ASK)], kind)
    assert answers(pairs) == [("a", "b")]
    assert pairs.frame["prompt"].to_list() == [ASK]


@pytest.mark.parametrize(
    ("prompt_columns", "head"),
    [
        ({"instruction": "q", "system": "Be brief."}, [ASK]),
        ({"instruction": "q", "system": "Be brief."}, [SYSTEM, ASK]),
        ({"instruction": "q"}, [SYSTEM, ASK]),
    ],
)
def test_a_system_text_is_kept_once(
    tmp_path: Path, prompt_columns: dict[str, Any], head: list[list[dict[str, Any]]]
) -> None:
    pairs = read(tmp_path, [prompt_columns | both(*head)])
    assert answers(pairs) == [("a", "b")]
    assert pairs.frame["prompt"].to_list() == [SYSTEM + ASK]


def test_one_answer_alone_may_repeat_it(tmp_path: Path) -> None:
    row = {"instruction": "q"} | both(ASK) | {"rejected": plain(turn("b"))}
    assert answers(read(tmp_path, [row])) == [("a", "b")]


def test_a_mapping_without_a_prompt_takes_what_both_answers_begin_with(tmp_path: Path) -> None:
    row = both(SYSTEM, ASK)
    path = write_jsonl(tmp_path / "a.jsonl", [{"good": row["chosen"], "bad": row["rejected"]}])
    pairs = read_pairs(str(path), columns={"chosen": "good", "rejected": "bad"})
    assert answers(pairs) == [("a", "b")]
    assert pairs.frame["prompt"].to_list() == [SYSTEM + ASK]


def test_another_question_in_an_answer_is_malformed(tmp_path: Path) -> None:
    rows = [{"instruction": "q"} | both(ASK), {"instruction": "p"} | both(ASK)]
    with pytest.raises(CurateError, match="a user turn that is not the prompt's"):
        read_pairs(str(write_jsonl(tmp_path / "a.jsonl", rows)))
    pairs = read(tmp_path, rows)
    assert answers(pairs) == [("a", "b")]
    assert pairs.rejected["row"].to_list() == [2]


def test_joint_preferences_keep_their_questions(tmp_path: Path) -> None:
    row = {"i_chosen": "p", "r_chosen": "a", "i_reject": "q", "r_reject": "b"}
    frame = read(tmp_path, [row]).frame
    assert frame["chosen"].to_list() == [turn("p", "user") + turn("a")]
    assert frame["rejected"].to_list() == [turn("q", "user") + turn("b")]
