"""Messages and rows that are more than texts: what is kept, what is refused, what is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curate.errors import CurateError
from tests.helpers import read_rows as read
from tests.helpers import turn

KINDS = ("jsonl", "parquet")


def message(content: Any, role: str = "assistant", **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def row(**changes: Any) -> dict[str, Any]:
    return {"prompt": "p", "chosen": [message("yes")], "rejected": [message("no")], **changes}


def call(arguments: Any = "{}") -> dict[str, Any]:
    return {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}


@pytest.mark.parametrize("kind", KINDS)
def test_the_rendering_that_text_scorers_see(kind: str, tmp_path: Path) -> None:
    parts = [{"type": "image"}, {"type": "text", "text": "What?"}, {"type": "audio"}]
    answer = message("It is", reasoning_content="hm", tool_calls=[call('{"a": 1}'), call("oops")])
    frame = read(tmp_path, [row(prompt=[message(parts, "user")], chosen=[answer])], kind).frame
    assert frame["prompt"][0][0]["content"] == "<image>\nWhat?\n<audio>"
    assert frame["chosen"][0][0]["content"] == (
        "<think>\nhm\n</think>\n\nIt is\n"
        '<tool_call>\n{"name":"f","arguments":{"a":1}}\n</tool_call>\n'
        '<tool_call>\n{"name":"f","arguments":"oops"}\n</tool_call>'
    )
    assert json.loads(frame["chosen"][0][0]["more"]) == {
        "content": "It is",
        "reasoning_content": "hm",
        "tool_calls": [call('{"a": 1}'), call("oops")],
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "message",
    [
        message(None),
        message(None, name="x"),
        message(None, weight=0),
        message(None, tool_calls=[]),
        {"role": "assistant"},
        {"role": None, "content": "x"},
    ],
)
def test_a_message_that_says_nothing_is_an_error(
    message: dict[str, Any], kind: str, tmp_path: Path
) -> None:
    rows = [row(), row(chosen=[message])]
    pairs = read(tmp_path, rows, kind, on_error="skip")
    assert (len(pairs), pairs.rejected["row"].to_list()) == (1, [2])
    assert "'chosen'" in pairs.rejected["reason"][0]
    with pytest.raises(CurateError, match="row 2"):
        read(tmp_path, rows, kind)


@pytest.mark.parametrize("content", [[], 3, True, {"a": 1}, ["text"], [1], [[message("x")]]])
def test_contents_that_no_template_takes_are_errors(content: Any, tmp_path: Path) -> None:
    pairs = read(tmp_path, [row(), row(chosen=[message(content)])], on_error="skip")
    assert pairs.rejected["row"].to_list() == [2]
    assert "content" in pairs.rejected["reason"][0]


@pytest.mark.parametrize("kind", KINDS)
def test_columns_of_nulls_and_empty_lists_say_nothing(kind: str, tmp_path: Path) -> None:
    bare = read(tmp_path, [row()], kind).frame
    empty = {"tools": None, "images": None, "chat_template_kwargs": None, "videos": None}
    assert read(tmp_path, [row(**empty)], kind).frame.equals(bare)
    lists = {"tools": [], "images": [], "documents": []}
    assert read(tmp_path, [row(**lists)], kind).frame.equals(bare)


@pytest.mark.parametrize("kind", KINDS)
def test_mixed_rows(kind: str, tmp_path: Path) -> None:
    tools = [{"name": "f", "parameters": {"type": "object"}}]
    rows = [row(), row(prompt="q", tools=tools), row(prompt="r", images=["a.png"])]
    frame = read(tmp_path, rows, kind).frame
    assert [t and json.loads(t) for t in frame["tools"]] == [None, tools, None]
    assert frame["images"].to_list() == [None, None, [{"path": "a.png", "bytes": None}]]


def test_tools_of_other_shapes_stay_in_extra(tmp_path: Path) -> None:
    rows = [row(tools="a hammer"), row(prompt="q", tools=json.dumps([{"name": "f"}]))]
    frame = read(tmp_path, rows).frame
    assert json.loads(frame["extra"][0]) == {"tools": "a hammer"}
    assert frame["tools"].to_list() == [None, '[{"name":"f"}]']
    assert frame["extra"][1] is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_pair_has_one_list_of_tools(kind: str, tmp_path: Path) -> None:
    one, other = [{"name": "f"}], [{"name": "g"}]
    rows = [row(tools=one, rejected_tools=one), row(tools=one, rejected_tools=other)]
    pairs = read(tmp_path, rows, kind, on_error="skip")
    assert pairs.rejected["row"].to_list() == [2]
    assert "a pair has one list of tools" in pairs.rejected["reason"][0]


@pytest.mark.parametrize("image", [3, {"x": 1}, {"path": 3}, [["a.png"]], {"bytes": "no base64!"}])
def test_media_that_no_trainer_reads_are_errors(image: Any, tmp_path: Path) -> None:
    pairs = read(tmp_path, [row(), row(images=[image])], on_error="skip")
    assert pairs.rejected["row"].to_list() == [2]
    assert "expected paths, URLs, or {bytes, path}" in pairs.rejected["reason"][0]


def test_images_as_path_url_object_and_bytes(tmp_path: Path) -> None:
    images = ["a.png", {"path": "b.png"}, {"url": "http://x/c.png"}, {"bytes": "YWI="}]
    frame = read(tmp_path, [row(images=images), row(prompt="q", image="d.png")]).frame["images"]
    media = [("a.png", None), ("b.png", None), ("http://x/c.png", None), (None, b"ab")]
    assert [(m["path"], m["bytes"]) for m in frame[0]] == media
    assert [m["path"] for m in frame[1]] == ["d.png"]


def test_files_that_are_missing_or_elsewhere_are_told(tmp_path: Path) -> None:
    (tmp_path / "here.png").write_bytes(b"")
    images = [["here.png"], ["gone.png"], ["../../etc/passwd", "/etc/passwd"], ["http://x/a.png"]]
    rows = [row(prompt=str(i), images=paths) for i, paths in enumerate(images)]
    notes = read(tmp_path, rows).notes
    assert any(note.startswith("2 media paths point outside the data folder") for note in notes)
    (missing,) = (note for note in notes if "missing" in note)
    assert missing.startswith("1 media files are missing")
    assert missing.endswith("gone.png")


def test_marks_become_parts_where_they_are_as_many_as_the_images(tmp_path: Path) -> None:
    def prompt(text: str, images: list[str] | None) -> Any:
        turns = read(tmp_path, [row(prompt=text, images=images)]).frame["prompt"][0]
        return turns[0]["more"] and json.loads(turns[0]["more"])["content"]

    image = {"type": "image"}
    assert prompt("a<image>b", ["1.png"]) == [
        {"type": "text", "text": "a"},
        image,
        {"type": "text", "text": "b"},
    ]
    assert prompt("<image><image>", ["1.png", "2.png"]) == [image, image]
    assert prompt("<image>", ["1.png", "2.png"]) is None
    assert prompt("the tag <image>", None) is None
    assert prompt("no mark", ["1.png"]) is None


def test_ids_tell_pairs_apart_by_every_part(tmp_path: Path) -> None:
    image = {"path": "a.png"}
    variants = [
        row(),
        row(tools=[{"name": "f"}]),
        row(tools=[{"name": "g"}]),
        row(images=[image]),
        row(images=[{"bytes": "YWI="}]),
        row(images=[{"bytes": "YWM="}]),
        row(images=[image], rejected_images=["b.png"]),
        row(chat_template_kwargs={"a": 1}),
        row(documents=["x"]),
        row(chosen=[message("yes", name="x")]),
        row(chosen=[message("yes", tool_calls=[call()])]),
        row(chosen=[message([{"type": "text", "text": "yes"}])]),
    ]
    frame = read(tmp_path, variants).frame
    assert frame["pair_id"].n_unique() == len(variants)
    assert not any("-" in pair_id for pair_id in frame["pair_id"])
    again = read(
        tmp_path, [variants[6] | {"chosen": [message("no")], "rejected": [message("yes")]}]
    )
    turned = again.frame["pair_id"][0] == frame["pair_id"][6]
    assert not turned  # the images went with the other answer
    back = variants[6] | {
        "chosen": [message("no")],
        "rejected": [message("yes")],
        "images": ["b.png"],
        "rejected_images": [image],
    }
    assert read(tmp_path, [back]).frame["pair_id"][0] == frame["pair_id"][6]


def test_the_words_of_sharegpt_and_swift_are_one(tmp_path: Path) -> None:
    call_text = '{"name": "f", "arguments": {"a": 1}}'
    sharegpt = {
        "conversations": [
            {"from": "human", "value": "q"},
            {"from": "function_call", "value": f"<think>\nhm\n</think>\n\n{call_text}"},
            {"from": "observation", "value": "4\n</tool_response>\n<tool_response>\n5"},
        ],
        "chosen": {"from": "gpt", "value": "a"},
        "rejected": {"from": "gpt", "value": "b"},
    }
    expected = [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\n"},
        {"role": "tool_call", "content": call_text},
        {"role": "tool_response", "content": "4"},
        {"role": "tool_response", "content": "5"},
    ]
    swift = {
        "messages": [*expected, {"role": "assistant", "content": "a"}],
        "rejected_messages": [*expected, {"role": "assistant", "content": "b"}],
    }
    one, other = (read(tmp_path, [r]).frame for r in (sharegpt, swift))
    columns = ["prompt", "chosen", "rejected"]
    assert one.select(columns).equals(other.select(columns))
    calling = one["prompt"][0][1]
    assert json.loads(calling["more"])["reasoning_content"] == "hm"
    assert one["prompt"][0].to_list()[2:] == [*turn("4", "tool"), *turn("5", "tool")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("not JSON", "not JSON"), ('{"tool": 1}', '{"tool": 1}'), ("[]", "[]"), ("", "")],
)
def test_a_call_that_is_none_stays_a_text(value: str, expected: str, tmp_path: Path) -> None:
    sharegpt = {
        "conversations": [{"from": "human", "value": "q"}],
        "chosen": {"from": "function_call", "value": value},
        "rejected": {"from": "gpt", "value": "b"},
    }
    assert read(tmp_path, [sharegpt]).frame["chosen"][0].to_list() == turn(expected)


@pytest.mark.parametrize("kind", KINDS)
def test_functions_are_the_older_name_of_tools(kind: str, tmp_path: Path) -> None:
    function = {"name": "weather", "parameters": {"type": "object"}}
    tool = {"type": "function", "function": function}
    plain = {"prompt": "p", "chosen": "a", "rejected": "b"}
    rows = [
        {**plain, "functions": [function], "tools": None},
        {**plain, "functions": None, "tools": [tool]},
        {**plain, "functions": None, "tools": None},
    ]
    tools = read(tmp_path, rows, kind).frame["tools"].to_list()
    assert [None if text is None else json.loads(text) for text in tools] == [[tool], [tool], None]


def test_functions_of_another_kind_stay_in_extra(tmp_path: Path) -> None:
    row = {"prompt": "p", "chosen": "a", "rejected": "b", "functions": ["add", "sub"]}
    pairs = read(tmp_path, [row])
    assert pairs.frame["tools"].to_list() == [None]
    assert json.loads(pairs.frame["extra"][0])["functions"] == ["add", "sub"]


@pytest.mark.parametrize("kind", KINDS)
def test_calls_that_stand_as_json_text_are_calls(kind: str, tmp_path: Path) -> None:
    call = {"type": "function", "function": {"name": "w", "arguments": {"c": "Rome"}}}
    question = [{"role": "user", "content": "weather?"}]

    def answer(calls: Any) -> list[dict[str, Any]]:
        return [{"role": "assistant", "content": "I look.", "tool_calls": calls}]

    rows = [
        {"prompt": question, "chosen": answer(json.dumps([call])), "rejected": answer("")},
        {"prompt": question, "chosen": answer("[]"), "rejected": answer("null")},
        {"prompt": question, "chosen": answer("none yet"), "rejected": answer(None)},
    ]
    frame = read(tmp_path, rows, kind).frame
    assert frame["chosen"][0][0]["content"].endswith(
        '<tool_call>\n{"name":"w","arguments":{"c":"Rome"}}\n</tool_call>'
    )
    assert json.loads(frame["chosen"][0][0]["more"])["tool_calls"] == [call]
    assert frame["rejected"].to_list() == [turn("I look.")] * 3
    assert frame["chosen"].to_list()[1] == turn("I look.")
    # What no call can be read from comes out as it went in.
    assert json.loads(frame["chosen"][2][0]["more"])["tool_calls"] == "none yet"
