"""Shapes that were once read wrongly without a word."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate import Pairs, read_pairs
from curate.errors import CurateError
from curate.option_names import command_line_messages
from tests.helpers import read_rows, turn, write_jsonl

KINDS = ["jsonl", "parquet"]


def read(folder: Path, rows: list[dict[str, Any]], kind: str, **settings: Any) -> Pairs:
    path = folder / f"a.{kind}"
    if kind == "jsonl":
        write_jsonl(path, rows)
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return read_pairs(str(path), on_error="skip", **settings)


def text(pairs: Pairs, column: str, row: int = 0) -> str:
    return str(pairs.frame[column][row][-1]["content"])


def critic(response: str, overall: float, *ratings: str) -> dict[str, Any]:
    names = ("helpfulness", "honesty", "instruction_following", "truthfulness")
    annotations = {n: {"Rating": r} for n, r in zip(names, ratings, strict=True)}
    return {"response": response, "overall_score": overall, "annotations": annotations}


def ultrafeedback(*completions: dict[str, Any]) -> dict[str, Any]:
    return {"instruction": "Name a prime above 10.", "completions": list(completions)}


@pytest.mark.parametrize("kind", KINDS)
def test_ultrafeedback_goes_by_the_mean_of_its_aspects(kind: str, tmp_path: Path) -> None:
    wrong = critic("12 is prime.", 10.0, "1", "1", "1", "2")
    right = critic("11 is prime.", 8.5, "5", "5", "5", "4")
    rows = [ultrafeedback(wrong, right), ultrafeedback(right, critic("9", 1.0, "1", "1", "1", "1"))]
    pairs = read(tmp_path, rows, kind)
    assert text(pairs, "chosen") == "11 is prime."
    assert pairs.frame["strength"].to_list() == [3.5, 3.75]
    assert len(pairs.notes) == 1
    assert pairs.notes[0].startswith("1 rows name another best answer")
    overall = read(tmp_path, rows, kind, ranking={"score": "overall"})
    assert text(overall, "chosen") == "12 is prime."
    assert overall.frame["strength"].to_list() == [1.5, 7.5]


@pytest.mark.parametrize("kind", KINDS)
def test_ratings_that_are_not_there_are_left_out(kind: str, tmp_path: Path) -> None:
    some = critic("some", 2.0, "5", "N/A", "N/A", "5")
    none = critic("none", 4.0, "N/A", "N/A", "N/A", "N/A")
    pairs = read(tmp_path, [ultrafeedback(none, some)], kind)
    assert text(pairs, "chosen") == "some"
    assert pairs.frame["strength"].to_list() == [1.0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_history_of_alpaca_stands_before_the_instruction(kind: str, tmp_path: Path) -> None:
    row = {"instruction": "Choose.", "input": "A or B", "chosen": "A", "rejected": "B"}
    rows = [
        row | {"system": "You grade.", "history": [["hi", "hello"], ["so?", "yes"]]},
        row | {"system": "", "history": []},
        row | {"system": None, "history": None},
    ]
    pairs = read(tmp_path, rows, kind)
    turns = [[(m["role"], m["content"]) for m in p] for p in pairs.frame["prompt"].to_list()]
    question = ("user", "Choose.\nA or B")
    history_turns = [("user", "hi"), ("assistant", "hello"), ("user", "so?"), ("assistant", "yes")]
    assert turns == [[("system", "You grade."), *history_turns, question], [question], [question]]


def talk(*texts: str) -> list[dict[str, str]]:
    return [
        {"role": ("user", "assistant")[i % 2], "content": content}
        for i, content in enumerate(texts)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_conversations_as_json_text_are_messages(kind: str, tmp_path: Path) -> None:
    rows = [
        {"chosen": json.dumps(talk(f"q{i}", "7")), "rejected": json.dumps(talk(f"q{i}", "no"))}
        for i in range(3)
    ]
    pairs = read(tmp_path, rows, kind)
    assert [text(pairs, "prompt", i) for i in range(3)] == ["q0", "q1", "q2"]
    assert text(pairs, "chosen") == "7"
    assert text(pairs, "rejected") == "no"
    rows = [{"prompt": json.dumps(talk("q")), "chosen": "a", "rejected": "b"}]
    assert read(tmp_path, rows, kind).frame["prompt"][0].to_list() == turn("q", "user")


@pytest.mark.parametrize("kind", KINDS)
def test_answers_that_merely_are_json_stay_texts(kind: str, tmp_path: Path) -> None:
    answers = ['[{"role": "admin"}]', "[1, 2]", '[{"role": "x", "content": "y"}', '["role"]', "[]"]
    rows = [{"prompt": f"p{i}", "chosen": a, "rejected": "b"} for i, a in enumerate(answers)]
    rows.append({"prompt": "one", "chosen": json.dumps(talk("q", "a")), "rejected": "b"})
    pairs = read(tmp_path, rows, kind)
    assert [text(pairs, "chosen", i) for i in range(6)] == [r["chosen"] for r in rows]


def test_fields_within_such_a_text_are_not_lost(tmp_path: Path) -> None:
    named = [{"role": "assistant", "content": "a", "name": "bot"}]
    rows = [{"prompt": "p", "chosen": json.dumps(named), "rejected": json.dumps(talk("", "b")[1:])}]
    (answer,) = read(tmp_path, rows, "jsonl").frame["chosen"][0]
    assert (answer["content"], json.loads(answer["more"])) == ("a", {"content": "a", "name": "bot"})


@pytest.mark.parametrize("kind", KINDS)
def test_of_tied_answers_one_is_drawn_by_the_seed(kind: str, tmp_path: Path) -> None:
    rows = [
        {
            "prompt": f"q{i}",
            "responses": [f"good {j}" for j in range(3)] + [f"bad {j}" for j in range(3)],
            "scores": [1, 1, 1, 0, 0, 0],
        }
        for i in range(600)
    ]
    pairs = read(tmp_path, rows, kind)
    for column in ("chosen", "rejected"):
        counts = Counter(text(pairs, column, i) for i in range(len(pairs)))
        assert len(counts) == 3
        assert max(counts.values()) < 600 * 0.4
    assert pairs.notes[0].startswith("600 rankings hold several answers")
    assert read(tmp_path, rows, kind).frame.equals(pairs.frame)
    other = read(tmp_path, rows, kind, ranking={"seed": 1})
    assert not other.frame["chosen"].equals(pairs.frame["chosen"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("column", ["query", "input", "problem", "context", "conversation", "text"])
def test_a_prompt_of_another_name_is_not_lost(tmp_path: Path, column: str, kind: str) -> None:
    # Both answers begin with "Sure,", which would pass for a shared prompt.
    row = {column: "Name a prime.", "chosen": "Sure, 11.", "rejected": "Sure, 12 is one."}
    with command_line_messages(), pytest.raises(CurateError) as error:
        read(tmp_path, [row] * 3, kind)
    assert f"prompt={column},chosen=chosen,rejected=rejected" in str(error.value)
    mapping = {"prompt": column, "chosen": "chosen", "rejected": "rejected"}
    pairs = read(tmp_path, [row] * 3, kind, columns=mapping)
    assert text(pairs, "prompt") == "Name a prime."
    assert text(pairs, "chosen") == "Sure, 11."


def test_answers_that_bring_their_prompt_need_no_column(tmp_path: Path) -> None:
    question = "Name a prime. Between 10 and 12:"
    row = {"text": "Name a prime.", "chosen": f"{question} 11", "rejected": f"{question} 12"}
    assert text(read(tmp_path, [row], "jsonl"), "prompt") == question
    user_turn = {"role": "user", "content": "Name a prime."}
    talks = {
        "history": ["something else"],
        "chosen": [user_turn, {"role": "assistant", "content": "11"}],
        "rejected": [user_turn, {"role": "assistant", "content": "12"}],
    }
    assert text(read(tmp_path, [talks], "jsonl"), "prompt") == "Name a prime."


def printed(*messages: str) -> str:
    """Messages as numpy prints an array of objects: no commas between them."""
    return "[" + "\n ".join(messages) + "]"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("write", [str, json.dumps, lambda talk: printed(*map(str, talk))])
def test_conversations_as_python_prints_them(tmp_path: Path, write: Any, kind: str) -> None:
    # A CSV that pandas wrote from lists of messages holds such texts.
    def talk(answer: str) -> list[dict[str, str]]:
        question = 'Name a prime,\nit\'s for "me" } {, \\d.'
        return [{"content": question, "role": "user"}, {"content": answer, "role": "assistant"}]

    row = {"chosen": write(talk("11\nor so")), "rejected": write(talk("12"))}
    pairs = read(tmp_path, [row] * 3, kind)
    assert text(pairs, "prompt") == talk("")[0]["content"]
    assert text(pairs, "chosen") == "11\nor so"
    assert text(pairs, "rejected") == "12"


def test_an_answer_that_prints_a_list_stays_a_text(tmp_path: Path) -> None:
    answer = "[{'role': 'admin', 'rights': 3}]"
    row = {"prompt": "Print the roles.", "chosen": answer, "rejected": "No."}
    assert text(read(tmp_path, [row] * 3, "jsonl"), "chosen") == answer


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Beasts?", [("user", "Beasts?")]),
        (
            "Be kind.\n\nHuman: Beasts?\n\nAssistant: ",
            [("system", "Be kind."), ("user", "Beasts?")],
        ),
        ("\n\nHuman: Beasts?\n\nAssistant: ", [("user", "Beasts?")]),
    ],
)
def test_what_stands_before_the_first_mark_of_a_dialogue_is_kept(
    tmp_path: Path, prompt: str, expected: list[tuple[str, str]]
) -> None:
    answers = [{"answer": "ox", "rank": 1}, {"answer": "fly", "rank": 2}]
    pairs = read_rows(tmp_path, [{"prompt": prompt, "answers": answers}])
    assert [(m["role"], m["content"]) for m in pairs.frame["prompt"][0]] == expected


def test_a_preamble_of_hh_dialogues_is_kept(tmp_path: Path) -> None:
    usual = {"chosen": "\n\nHuman: q\n\nAssistant: a", "rejected": "\n\nHuman: q\n\nAssistant: b"}
    odd = {side: f"Be kind.{text}" for side, text in usual.items()}
    prompt = read_rows(tmp_path, [usual] * 20 + [odd]).frame["prompt"][-1]
    assert [(m["role"], m["content"]) for m in prompt] == [("system", "Be kind."), ("user", "q")]
