"""Texts that belong to a prompt are read, whatever the format; else the user is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate import Pairs, read_pairs
from curate.read.column_names import SYSTEM
from curate.read.formats.base import Format, ReadOptions, as_messages_column, has_columns
from tests.helpers import read_rows, turn

_ASKED = turn("Why?", "user")
_TALK = [{"role": "user", "content": "Why?"}]
_GOOD, _BAD = ({"role": "assistant", "content": text} for text in ("Yes.", "No."))
_PAIR = {"chosen": "Yes.", "rejected": "No."}
_KTO = [{"completion": "Yes.", "label": True}, {"completion": "No.", "label": False}]
FORMS: dict[str, list[dict[str, Any]]] = {
    "trl": [{"prompt": "Why?", **_PAIR}],
    "trl messages": [{"prompt": _TALK, "chosen": [_GOOD], "rejected": [_BAD]}],
    "trl implicit": [{"chosen": [*_TALK, _GOOD], "rejected": [*_TALK, _BAD]}],
    "sharegpt": [{"conversations": _TALK, "chosen": _GOOD, "rejected": _BAD}],
    "axolotl": [{"messages": _TALK, "chosen": _GOOD, "rejected": _BAD}],
    "alpaca": [{"instruction": "Why?", "input": "", **_PAIR}],
    "alpaca outputs": [{"instruction": "Why?", "output": ["Yes.", "No."]}],
    "orca": [{"question": "Why?", **_PAIR}],
    "distilabel orca": [{"input": "Why?", "status": "unchanged", **_PAIR}],
    "swift": [{"messages": [*_TALK, _GOOD], "rejected_response": "No."}],
    "swift messages": [{"messages": [*_TALK, _GOOD], "rejected_messages": [*_TALK, _BAD]}],
    "swift query": [{"query": "Why?", "response": "Yes.", "rejected_response": "No."}],
    "listwise": [{"prompt": "Why?", "responses": ["No.", "Yes."], "scores": [1, 2]}],
    "answer lists": [{"prompt": "Why?", "chosen": ["Yes."], "rejected": ["No."]}],
    "kto": [{"prompt": "Why?", **row} for row in _KTO],
    "kto messages": [
        {"messages": [*_TALK, _GOOD], "label": True},
        {"messages": [*_TALK, _BAD], "label": False},
    ],
    "kto alpaca": [
        {"instruction": "Why?", "output": "Yes.", "kto_tag": True},
        {"instruction": "Why?", "output": "No.", "kto_tag": False},
    ],
    "nemo rl": [
        {
            "context": _TALK,
            "completions": [
                {"rank": 0, "completion": [_GOOD]},
                {"rank": 1, "completion": [_BAD]},
            ],
        }
    ],
    "named": [{"prompt": "Why?", "chosen_response": "Yes.", "rejected_response": "No."}],
    "labelled": [{"prompt": "Why?", "response_a": "No.", "response_b": "Yes.", "winner": "B"}],
    "alpaca farm": [
        {"instruction": "Why?", "output_1": "Yes.", "output_2": "No.", "preference": 1}
    ],
}  # fmt: skip


def _texts(pairs: Pairs) -> list[list[tuple[str, str]]]:
    parts = pairs.frame.select("prompt", "chosen", "rejected").rows()
    return [[(m["role"], m["content"]) for turns_ in row for m in turns_] for row in parts]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize("column", SYSTEM)
@pytest.mark.parametrize("form", FORMS)
def test_a_system_text_stands_before_the_prompt(
    tmp_path: Path, form: str, column: str, kind: str
) -> None:
    pairs = read_rows(tmp_path, [{column: "Be brief.", **row} for row in FORMS[form]], kind)
    conversation = [
        ("system", "Be brief."),
        ("user", "Why?"),
        ("assistant", "Yes."),
        ("assistant", "No."),
    ]
    assert _texts(pairs) == [conversation]
    none = read_rows(tmp_path, [{column: "", **row} for row in FORMS[form]], kind)
    assert _texts(none) == [conversation[1:]]
    assert pairs.notes == none.notes == ()


def test_a_system_text_that_stands_in_the_prompt_already_is_not_doubled(tmp_path: Path) -> None:
    talk = [{"role": "system", "content": "Be brief."}, *_TALK]
    row = {"system": "Be brief.", "prompt": talk, "chosen": [_GOOD], "rejected": [_BAD]}
    other = {**row, "system": "Be long."}
    pairs = read_rows(tmp_path, [row, other])
    first, second = pairs.frame["prompt"].to_list()
    assert [m["content"] for m in first] == ["Be brief.", "Why?"]
    assert [m["content"] for m in second] == ["Be long.", "Be brief.", "Why?"]
    # Both are kept, and told, since a trainer may refuse them.
    assert pairs.notes[0].startswith("1 of 2 prompts contain several system messages")


def test_answers_under_other_systems_answer_other_prompts(tmp_path: Path) -> None:
    rows = [{"system": str(number), "prompt": "Why?", **row} for number, row in enumerate(_KTO)]
    rows += [{"system": "0", "prompt": "Why?", **_KTO[1]}]
    pairs = read_rows(tmp_path, rows)
    assert len(pairs) == 1
    assert pairs.rejected["row"].to_list() == [2]


def test_a_mapping_may_name_the_system_column(tmp_path: Path) -> None:
    rows = [{"who": "Be brief.", "q": "Why?", "good": "Yes.", "bad": "No."}]
    columns = {"prompt": "q", "system": "who", "chosen": "good", "rejected": "bad"}
    pairs = read_rows(tmp_path, rows, columns=columns)
    assert pairs.frame["prompt"].to_list() == [turn("Be brief.", "system") + _ASKED]
    alone = read_rows(tmp_path, rows, columns={k: v for k, v in columns.items() if k != "prompt"})
    assert alone.frame["prompt"].to_list() == [turn("Be brief.", "system")]


def test_the_history_of_a_query_stands_before_it(tmp_path: Path) -> None:
    row = {**FORMS["swift query"][0], "history": [["Who?", "You."]]}
    (pair,) = _texts(read_rows(tmp_path, [row, {**row, "history": [1]}], on_error="skip"))
    assert pair[:3] == [("user", "Who?"), ("assistant", "You."), ("user", "Why?")]


@pytest.mark.parametrize("column", ["history", "messages"])
def test_a_conversation_that_is_not_read_is_told(tmp_path: Path, column: str) -> None:
    before = [{"role": "user", "content": "Is the sky blue?"}, _GOOD]
    row = {"prompt": "Why?", column: before, **_PAIR}
    (note,) = read_rows(tmp_path, [row]).notes
    assert note.startswith(f"the column '{column}' may belong to the prompt")
    # As ultrafeedback_binarized repeats prompt and chosen answer.
    again = [{"role": "user", "content": 'Why "is" it?'}, {"role": "assistant", "content": "So."}]
    result = {"prompt": 'Why "is" it?', "chosen": "So.", "rejected": "No.", column: again}
    assert read_rows(tmp_path, [result]).notes == ()


@pytest.mark.parametrize("column", ["context", "history", "passage"])
def test_a_text_that_may_belong_to_the_prompt_and_is_not_read_is_told(
    tmp_path: Path, column: str
) -> None:
    row = {"prompt": "Why?", column: "The sky is blue.", **_PAIR}
    (note,) = read_rows(tmp_path, [row]).notes
    assert note.startswith(f"the column '{column}' may belong to the prompt")
    # A text that the prompt holds already is no doubt.
    result = {"prompt": "The sky is blue. Why?", column: "The sky is blue.", **_PAIR}
    assert read_rows(tmp_path, [result]).notes == ()


def test_a_system_column_that_a_mapping_leaves_out_is_told(tmp_path: Path) -> None:
    rows = [{"system": "Be brief.", "q": "Why?", "good": "Yes.", "bad": "No."}]
    columns = {"prompt": "q", "chosen": "good", "rejected": "bad"}
    (note,) = read_rows(tmp_path, rows, columns=columns).notes
    assert 'columns={"system": ...}' in note


def test_what_stands_beside_a_completion_stays_in_extra(tmp_path: Path) -> None:
    rows = [{"prompt": "Why?", "input": "The sky is blue.", **row} for row in _KTO]
    extra = json.loads(read_rows(tmp_path, rows).frame["extra"][0])
    assert extra["input"] == "The sky is blue."


def test_several_lists_of_numbers_are_told(tmp_path: Path) -> None:
    row = {"prompt": "Why?", "responses": ["No.", "Yes."], "scores": [1, 2], "ranks": [1, 2]}
    pairs = read_rows(tmp_path, [row])
    assert _texts(pairs)[0][-1] == ("assistant", "No.")
    assert pairs.notes[0].startswith("1 rows hold several of the columns scores, ratings")


class _Careless(Format):
    """Reads a column and forgets it."""

    name = "careless"
    summary = ""
    text_columns = ("prompt", "chosen", "rejected", "aside")

    def matches(self, rows: Any) -> bool:
        return has_columns(rows, "aside")

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        return rows.with_columns(
            prompt=as_messages_column(rows, "prompt", "user"),
            chosen=as_messages_column(rows, "chosen", "assistant"),
            rejected=as_messages_column(rows, "rejected", "assistant"),
        )


def test_a_text_that_a_format_reads_and_forgets_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curate.read.reader.get_format", lambda _: _Careless)
    row = {"prompt": "Why?", "aside": "A text of some length.", **_PAIR}
    (note,) = read_rows(tmp_path, [row] * 3, format="careless").notes
    assert note.startswith("the text of the column 'aside' is not in the pairs")


def test_no_text_of_the_real_sets_is_lost(data: Path) -> None:
    for name in ("auto-j/slice.json", "llmbar", "hh-rlhf-harmless", "llama-factory-dpo"):
        notes = read_pairs(str(data / name), on_error="skip").notes
        assert not [note for note in notes if "is not in the pairs" in note or "may belong" in note]
