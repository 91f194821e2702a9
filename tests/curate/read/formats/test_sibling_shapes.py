"""The same shapes under other names, or packed once more: read, or told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.curate.read.formats.test_public_formats import answers, read
from tests.helpers import turn

KINDS = pytest.mark.parametrize("kind", ["jsonl", "parquet"])
ROWS = range(3)


def answer_message(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def twice(value: Any) -> str:
    return json.dumps(json.dumps(value))


@KINDS
@pytest.mark.parametrize("packed", [json.dumps, twice, str])
@pytest.mark.parametrize("listed", [True, False])
def test_messages_in_texts_are_messages(
    tmp_path: Path, kind: str, packed: Any, listed: bool
) -> None:
    def of(text: str) -> str:
        return str(packed([answer_message(text)] if listed else answer_message(text)))

    rows = [{"prompt": f"p{i}", "chosen": of("a"), "rejected": of("b")} for i in ROWS]
    pairs = read(tmp_path, rows, kind)
    assert answers(pairs) == [("a", "b")] * 3
    assert pairs.notes == ()


@pytest.mark.parametrize("answer", ['{"role": "admin", "content": "x"}', '"[1, 2]"', '{"a": 1}'])
def test_an_answer_that_looks_like_json_stays_a_text(tmp_path: Path, answer: str) -> None:
    rows = [{"prompt": f"p{i}", "chosen": answer, "rejected": "b"} for i in ROWS]
    assert answers(read(tmp_path, rows)) == [(answer, "b")] * 3


@KINDS
@pytest.mark.parametrize("name", ["image_path", "img_path", "image_url"])
def test_a_path_beside_texts_is_an_image(tmp_path: Path, kind: str, name: str) -> None:
    row = {"prompt": "What?", "chosen": "a", "rejected": "b", name: "http://x/a.png"}
    pairs = read(tmp_path, [row], kind)
    assert pairs.frame["images"][0].to_list() == [{"path": "http://x/a.png", "bytes": None}]


def test_where_an_image_was_stays_in_extra(tmp_path: Path) -> None:
    row = {"prompt": "What?", "chosen": "a", "rejected": "b"}
    row |= {"image": "http://x/a.png", "image_path": "coco/a.png"}
    frame = read(tmp_path, [row]).frame
    assert frame["images"][0].to_list()[0]["path"] == "http://x/a.png"
    assert json.loads(frame["extra"][0]) == {"image_path": "coco/a.png"}


@KINDS
@pytest.mark.parametrize("prompt_column", ["prompt", "question", "instruction"])
@pytest.mark.parametrize(
    "names",
    [
        ("chosen", "rejected"),
        ("chosen_responses", "rejected_responses"),
        ("positives", "negatives"),
    ],
)
def test_lists_of_answers_of_other_names(
    tmp_path: Path, kind: str, prompt_column: str, names: tuple[str, str]
) -> None:
    pairs = read(tmp_path, [{prompt_column: "q", names[0]: ["a"], names[1]: ["b"]}], kind)
    assert (pairs.format, answers(pairs)) == ("answer_lists", [("a", "b")])
    assert pairs.frame["prompt"].to_list() == [turn("q", "user")]


@KINDS
@pytest.mark.parametrize("prompt_column", ["prompt", "question", "instruction"])
def test_a_judged_response(tmp_path: Path, kind: str, prompt_column: str) -> None:
    rows = [{prompt_column: "q", "response": text, "label": text == "a"} for text in "ab"]
    pairs = read(tmp_path, rows, kind)
    assert (pairs.format, answers(pairs)) == ("unpaired", [("a", "b")])
    assert pairs.frame["prompt"].to_list() == [turn("q", "user")]


@KINDS
def test_ratings_that_are_texts(tmp_path: Path, kind: str) -> None:
    row = {"instruction": "q", "generations": ["a", "b", "c"], "ratings": ["5", None, "1"]}
    pairs = read(tmp_path, [row] * 2, kind)
    assert (pairs.format, answers(pairs)) == ("listwise", [("a", "c")] * 2)
    assert pairs.frame["strength"].to_list() == [4.0, 4.0]


def test_a_rating_that_is_no_number_is_none(tmp_path: Path) -> None:
    complete_row = {"instruction": "q", "generations": ["a", "b", "c"], "ratings": ["5", "3", "1"]}
    pairs = read(tmp_path, [complete_row] * 100 + [{**complete_row, "ratings": ["5", "3", "N/A"]}])
    assert answers(pairs)[-1] == ("a", "b")


@pytest.mark.parametrize(
    ("ranking", "is_noted"), [([2, 0, 1], True), ([1, 0, 2], False), ([3, 1, 2], False)]
)
def test_a_ranking_that_reads_both_ways_is_told(
    tmp_path: Path, ranking: list[int], is_noted: bool
) -> None:
    pairs = read(tmp_path, [{"prompt": "q", "responses": ["a", "b", "c"], "ranking": ranking}])
    assert answers(pairs)[0][0] == "abc"[ranking.index(min(ranking))]
    assert any("as the rank of each answer" in note for note in pairs.notes) == is_noted


def test_margins_against_the_label_are_told(tmp_path: Path) -> None:
    row = {"prompt": "q", "chosen": "a", "rejected": "b"}
    notes = read(tmp_path, [{**row, "margin": m} for m in (1.5, -1.0, 0.0, None)]).notes
    assert notes == (
        "the strength of 3 pairs is 'margin'",
        "'margin' is less than 0 in 1 of 3 pairs: these labels contradict their own scores",
    )


def test_empty_prompts_are_told(tmp_path: Path) -> None:
    rows = [{"prompt": p, "chosen": "a", "rejected": "b"} for p in ("q", " ", "")]
    assert read(tmp_path, rows).notes == (
        "2 of 3 prompts are empty or end with an empty message: a model would learn to answer "
        "nothing",
    )
