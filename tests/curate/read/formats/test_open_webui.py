"""Feedback and chats as Open WebUI exports them (`exportAllFeedbacks`, chats as JSON)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate import CurateError, Pipeline, read_pairs


def message(
    number: int, parent: int | None, role: str, content: str, **more: Any
) -> dict[str, Any]:
    parent_id = None if parent is None else f"m{parent}"
    return {"id": f"m{number}", "parentId": parent_id, "role": role, "content": content, **more}


def chat(*answers: str, system: str | None = None, **annotations: int) -> dict[str, Any]:
    """A chat of two turns; `answers` reply to the second question."""
    messages = [
        message(0, None, "user", "Hello"),
        message(1, 0, "assistant", "Hi! How can I help?", model="small"),
        message(2, 1, "user", "What is 2 + 2?"),
        *(
            message(3 + i, 2, "assistant", text, model=f"model-{i}")
            for i, text in enumerate(answers)
        ),
    ]
    for entry in messages:
        rating = annotations.get(entry["id"])
        if rating is not None:
            entry["annotation"] = {"rating": rating, "tags": ["Math"]}
    history = {"currentId": "m3", "messages": {entry["id"]: entry for entry in messages}}
    return {"title": "Sum", "params": {"system": system}, "history": history}


def feedback(
    content: dict[str, Any], rated: str, rating: int | str | None, chat_id: str = "c", **meta: Any
) -> dict[str, Any]:
    return {
        "id": f"f-{chat_id}-{rated}",
        "user_id": "u1",
        "version": 0,
        "type": "rating",
        "data": {"rating": rating, "model_id": "model-0", "reason": "correct", "comment": "fine"},
        "meta": {"chat_id": chat_id, "message_id": rated, "message_index": 4, **meta},
        "snapshot": {"chat": {"id": chat_id, "user_id": "u1", "title": "Sum", "chat": content}},
        "created_at": 1,
        "updated_at": 2,
    }


def texts(frame: pl.DataFrame) -> list[tuple[str, str]]:
    sides = ("chosen", "rejected")
    content = {c: pl.col(c).list.first().struct.field("content") for c in sides}
    return frame.select(**content).rows()


def test_two_ratings_of_one_question_make_a_pair() -> None:
    answers = chat("4", "5", system="Be brief.")
    pairs = read_pairs([feedback(answers, "m3", 1), feedback(answers, "m4", "-1")])
    assert texts(pairs.frame) == [("4", "5")]
    (row,) = pairs.frame.iter_rows(named=True)
    turns = [(turn["role"], turn["content"]) for turn in row["prompt"]]
    assert turns == [
        ("system", "Be brief."),
        ("user", "Hello"),
        ("assistant", "Hi! How can I help?"),
        ("user", "What is 2 + 2?"),
    ]
    assert (row["annotator"], row["strength"], row["is_tie"]) == ("u1", 1.0, False)
    extra = json.loads(row["extra"])
    assert extra["chosen_answer"]["model"] == "model-0"
    assert extra["chosen_answer"]["reason"] == "correct"


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_files_are_detected(tmp_path: Path, suffix: str) -> None:
    answers = chat("4", "5")
    records = [feedback(answers, "m3", -1), feedback(answers, "m4", 1)]
    text = json.dumps(records) if suffix == "json" else "\n".join(map(json.dumps, records))
    (tmp_path / f"feedback.{suffix}").write_text(text)
    pairs = read_pairs(str(tmp_path / f"feedback.{suffix}"))
    assert pairs.format == "open_webui"
    assert texts(pairs.frame) == [("5", "4")]


def test_in_the_arena_the_other_answer_counts_without_a_rating() -> None:
    answers = chat("4", "5")
    won = read_pairs([feedback(answers, "m3", 1, arena=True)]).frame
    lost = read_pairs([feedback(answers, "m3", -1, arena=True)]).frame
    assert (texts(won), texts(lost)) == ([("4", "5")], [("5", "4")])
    assert won["strength"].to_list() == lost["strength"].to_list() == [0.5]
    pairs = read_pairs([feedback(answers, "m3", 1), feedback(answers, "m3", 1, "d", arena=True)])
    assert len(pairs.frame) == 1
    assert pairs.rejected["reason"].str.contains("no other answer to the same message").all()


def test_chats_with_ratings_on_their_messages_make_pairs() -> None:
    export = [
        {"id": "c", "user_id": "u", "title": "t", "chat": chat("4", "5", "6", m3=1, m4=-1)},
        {"id": "d", "user_id": "u", "title": "t", "chat": chat("4", "5")},
    ]
    pairs = read_pairs(export)
    assert texts(pairs.frame) == [("4", "5")]
    assert pairs.rejected["reason"].to_list() == ["no answer of the record has a rating (1 or -1)"]


def test_the_last_rating_of_an_answer_counts() -> None:
    answers = chat("4", "5")
    records = [feedback(answers, "m3", -1), feedback(answers, "m4", -1), feedback(answers, "m3", 1)]
    assert texts(read_pairs(records).frame) == [("4", "5")]


def test_ratings_of_other_users_or_chats_do_not_mix() -> None:
    answers = chat("4", "5")
    other = feedback(answers, "m4", -1) | {"user_id": "u2"}
    fine = [feedback(answers, "m3", 1, "z"), feedback(answers, "m4", -1, "z")]
    pairs = read_pairs([feedback(answers, "m3", 1), other, feedback(answers, "m4", -1, "y"), *fine])
    assert len(pairs.frame) == 1
    assert len(pairs.rejected) == 3


def test_damaged_records_are_named() -> None:
    answers = chat("4", "5")
    circle = chat("4", "5")
    circle["history"]["messages"]["m0"]["parentId"] = "m2"
    orphan = chat("4", "5")
    del orphan["history"]["messages"]["m1"]
    records = [
        feedback(answers, "m3", 1),
        feedback(answers, "m4", -1),
        feedback(answers, "m9", 1, "a"),
        feedback(circle, "m3", 1, "b"),
        feedback(orphan, "m3", 1, "e"),
        feedback({"history": {}}, "m3", 1, "f"),
        feedback(answers, "m3", None, "g"),
    ]
    pairs = read_pairs(records, on_error="skip")
    assert len(pairs.frame) == 1
    reasons = pairs.rejected["reason"].to_list()
    assert [r.startswith("the chat of the record does not hold") for r in reasons[:3]] == [True] * 3
    assert reasons[3:] == [
        "the record holds no chat with a history of messages",
        "no answer of the record has a rating (1 or -1)",
    ]


def test_a_run_accounts_for_every_record() -> None:
    answers = chat("4", "5")
    rows = [
        feedback(answers, "m3", 1),
        feedback(answers, "m4", -1),
        feedback(answers, "m3", 1, "x"),
    ]
    result = Pipeline({"filters": [{"type": "ties"}]}).run(rows)
    assert (result.rows_kept, result.rows_dropped, len(result.rejected)) == (1, 0, 1)


def test_rated_answers_by_themselves() -> None:
    rows = [feedback(chat("4", "5"), "m3", 1), feedback(chat("7"), "m3", -1, chat_id="d")]
    pairs = read_pairs(rows, format="open_webui_answers")
    labels = [json.loads(extra)["label"] for extra in pairs.frame["extra"]]
    answers = [turns[0]["content"] for turns in pairs.frame["chosen"]]
    assert list(zip(answers, labels, strict=True)) == [("4", True), ("7", False)]
    assert pairs.frame["rejected"].null_count() == 2
    assert json.loads(pairs.frame["extra"][0])["model"] == "model-0"
    assert pairs.frame["annotator"].to_list() == ["u1", "u1"]
    with pytest.raises(CurateError, match="the format 'open_webui_answers' reads each answer"):
        read_pairs(rows)
