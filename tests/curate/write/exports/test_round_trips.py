"""Every export reads back as the same pairs, or refuses and says what it would lose."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.data.content_kinds import count_content_kinds
from curate.data.table import PAIR_COLUMNS, as_pair_table
from curate.read.pairs import read_pairs
from curate.write.exports import get_export
from curate.write.exports.content_support import unsupported_content
from tests.curate.write.exports.round_trips import FILE_TYPES, REWRITING, forms, outcome, text_forms
from tests.helpers import write_jsonl

UNFIT = (
    "several messages", "other data", "one image each", "JSON cannot store", "one class",
    "other roles", "end with a tool call", "these answers", "has no form for",
)  # fmt: skip
"""What a form says that is for other data."""
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": null}'}}


def message(content: Any, role: str = "assistant", **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


ASK = [message("p?", "user")]
PLAIN: dict[str, Any] = {"prompt": ASK, "chosen": [message("yes")], "rejected": [message("no")]}
IMAGE = [message([{"type": "image"}, {"type": "text", "text": "What?"}], "user")]
BROKEN = {"function": {"name": "f", "arguments": "{a"}}
THOUGHT = [{"type": "thinking", "thinking": "t"}, {"type": "text", "text": "a"}]
LINKED = [{"type": "image_url", "image_url": {"url": "http://x/c.png"}}]
HEARD = [{"type": "audio"}, {"type": "video"}, {"type": "text", "text": "?"}]
OTHER = PLAIN | {"prompt": [message("q", "user")]}
LONG = [
    message(None, tool_calls=[CALL]),
    message("4", "tool", tool_call_id="c1", name="f"),
    message("4"),
]
DIALECTS: dict[str, list[dict[str, Any]]] = {
    "plain": [PLAIN],
    "text": [{"prompt": "p?", "chosen": "yes", "rejected": "no"}],
    "tool call": [PLAIN | {"chosen": [message(None, tool_calls=[CALL])], "tools": TOOLS}],
    "tools as text": [PLAIN | {"tools": json.dumps(TOOLS)}, OTHER],
    "several messages": [PLAIN | {"chosen": LONG, "tools": TOOLS}],
    "text beside a call": [PLAIN | {"chosen": [message("Well.", tool_calls=[CALL])]}],
    "two calls": [PLAIN | {"chosen": [message(None, tool_calls=[CALL, CALL])], "tools": TOOLS}],
    "old function_call": [
        PLAIN | {"chosen": [message(None, function_call={"name": "f", "arguments": "{}"})]}
    ],
    "arguments that are no JSON": [
        PLAIN | {"chosen": [message(None, tool_calls=[BROKEN])]}
    ],
    "reasoning_content": [PLAIN | {"chosen": [message("6", reasoning_content="two threes")]}],
    "blank reasoning_content": [PLAIN | {"chosen": [message("6", reasoning_content="\r")]}],
    "reasoning twice": [
        PLAIN
        | {
            "chosen": [
                message("<think>\ntwo threes\n</think>\n\n6", reasoning_content="two threes")
            ]
        }
    ],
    "thinking": [PLAIN | {"rejected": [message("6", thinking="two threes")]}],
    "thinking part": [
        PLAIN | {"chosen": [message(THOUGHT)]}
    ],
    "name and weight": [
        PLAIN | {"prompt": [message("p?", "user", name="Eve")], "chosen": [message("y", weight=0)]}
    ],
    "unknown key": [PLAIN | {"chosen": [message("y", mood={"glad": [1, None]})]}],
    "text parts": [PLAIN | {"chosen": [message([{"type": "text", "text": "y"}])]}],
    "unknown part": [PLAIN | {"chosen": [message([{"type": "hologram", "data": 1}])]}],
    "image": [PLAIN | {"prompt": IMAGE, "images": ["cat.png"]}],
    "one image": [PLAIN | {"image": "cat.png"}],
    "image url": [
        PLAIN | {"prompt": [message(LINKED, "user")]}
    ],
    "image marks": [
        {
            "conversations": [{"from": "human", "value": "<image>What?<image>"}],
            "chosen": {"from": "gpt", "value": "cat"},
            "rejected": {"from": "gpt", "value": "dog"},
            "images": ["a.png", "b.png"],
        }
    ],
    "audio and video": [
        PLAIN
        | {
            "prompt": [message(HEARD, "user")],
            "audios": ["a.wav"],
            "videos": ["b.mp4"],
        }
    ],
    "images of one answer": [
        PLAIN | {"prompt": IMAGE, "images": ["a.png"], "rejected_images": ["b.png"]}
    ],
    "kwargs": [PLAIN | {"chat_template_kwargs": {"enable_thinking": False}}],
    "documents": [PLAIN | {"documents": [{"title": "t", "text": "x"}]}],
    "function_call of ShareGPT": [
        {
            "conversations": [
                {"from": "human", "value": "2+2?"},
                {"from": "function_call", "value": '{"name": "f", "arguments": {"a": 1}}'},
                {"from": "observation", "value": "4"},
            ],
            "chosen": {"from": "gpt", "value": "4"},
            "rejected": {"from": "function_call", "value": '{"name": "f", "arguments": {}}'},
            "tools": json.dumps(TOOLS),
        }
    ],
    "swift": [
        {
            "messages": [
                {"role": "user", "content": "2+2?"},
                {"role": "tool_call", "content": '{"name": "f", "arguments": {"a": 1}}'},
                {"role": "tool_response", "content": "4"},
                {"role": "assistant", "content": "4"},
            ],
            "rejected_response": "5",
            "tools": TOOLS,
        }
    ],
    "nemo": [
        {
            "context": ASK,
            "completions": [
                {"rank": 1, "completion": [message("no")]},
                {"rank": 0, "completion": [message(None, tool_calls=[CALL])]},
            ],
        }
    ],
    "conversation as text": [
        {
            "prompt": json.dumps(ASK),
            "chosen": json.dumps(LONG),
            "rejected": json.dumps([message("n")]),
        }
    ],
    "verl": [
        PLAIN | {"extra_info": {"index": 3, "split": "train"}, "reward_model": {"style": "rule"}}
    ],
    "mixed rows": [PLAIN, OTHER | {"tools": TOOLS}],
}  # fmt: skip


def allowed(form: str) -> set[str]:
    return {"same", "refused"} | ({"rendered alike"} if form in REWRITING else set())


@pytest.mark.parametrize("form", forms())
@pytest.mark.parametrize("dialect", DIALECTS)
def test_nothing_is_lost_without_a_word(dialect: str, form: str, tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "rows.jsonl", DIALECTS[dialect])
    for file_type in FILE_TYPES:
        status, why = outcome(source, form, file_type, tmp_path / file_type)
        assert status in allowed(form), why
        parts = count_content_kinds(read_pairs(str(source)).frame)
        lost = unsupported_content(get_export(form), parts, file_type)
        if status == "refused":
            assert lost.keys() <= {p for p in lost if p in why} or any(t in why for t in UNFIT)
        else:
            assert not lost


def test_image_bytes_stay_the_bytes_that_they_are(tmp_path: Path) -> None:
    data = bytes(range(256)) * 4
    rows = [{**PLAIN, "prompt": IMAGE, "images": [{"bytes": data, "path": None}]}]
    source = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(rows), source)
    images = read_pairs(str(source)).frame["images"].to_list()
    assert images == [[{"path": None, "bytes": data}]]
    for form in text_forms():
        for file_type in FILE_TYPES:
            status, why = outcome(source, form, file_type, tmp_path / f"{form}-{file_type}")
            holds = "bytes of media" in get_export(form).holds and file_type == "parquet"
            assert status in (allowed(form) - {"refused"} if holds else {"refused"}), why


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="<>\0"), max_size=20)
OBJECTS = st.dictionaries(
    st.sampled_from("abc"), st.none() | st.integers(-9, 9) | TEXTS, max_size=2
)
ARGUMENTS = st.fixed_dictionaries({"enable_thinking": st.booleans()})
FUNCTIONS = st.fixed_dictionaries({"name": st.sampled_from(["f", "g"]), "arguments": OBJECTS})
CALLS = st.lists(
    st.fixed_dictionaries({"type": st.just("function"), "function": FUNCTIONS}),
    min_size=1,
    max_size=2,
)


@st.composite
def answers(draw: st.DrawFn) -> list[dict[str, Any]]:
    """One message, or a call, its result and an answer; a trace, a name, an unknown key perhaps."""
    more: dict[str, Any] = {}
    if draw(st.booleans()):
        more["reasoning_content"] = draw(TEXTS.filter(bool))
    kind = draw(st.sampled_from(["text", "text", "call", "talk"]))
    if kind == "text":
        if draw(st.integers(0, 5)) == 0:
            more["mood"] = draw(OBJECTS)
        return [message(draw(TEXTS), **more)]
    call = message(None, tool_calls=draw(CALLS), **more)
    if kind == "call":
        return [call]
    return [call, message(draw(TEXTS), "tool"), message(draw(TEXTS))]


@st.composite
def data_sets(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A few rows with different prompts, each with tools, images and arguments or none."""
    rows = []
    for number in range(draw(st.integers(1, 3))):
        prompt = [message(f"{number}: {draw(TEXTS)}", "user")]
        row: dict[str, Any] = {}
        if draw(st.integers(0, 3)) == 0:
            parts = [{"type": "image"}, {"type": "text", "text": f"{number}"}]
            prompt, row["images"] = [message(parts, "user")], [f"{number}.png"]
        if draw(st.booleans()):
            prompt = [message(draw(TEXTS), "system"), *prompt]
        if draw(st.integers(0, 2)) == 0:
            row["tools"] = TOOLS
        if draw(st.integers(0, 4)) == 0:
            row["chat_template_kwargs"] = draw(ARGUMENTS)
        chosen, rejected = draw(answers()), draw(answers())
        if chosen[0] == rejected[0]:
            rejected[0] = message(f"not {number}")
        rows.append({"prompt": prompt, "chosen": chosen, "rejected": rejected, **row})
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("form", forms())
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=data_sets(), file_type=st.sampled_from(FILE_TYPES))
def test_random_pairs_read_back(form: str, rows: list[dict[str, Any]], file_type: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = write_jsonl(Path(folder) / "rows.jsonl", rows)
        status, why = outcome(source, form, file_type, Path(folder) / "out")
        assert status in {"same", "refused"} | (
            {"rendered alike"} if form in REWRITING else set()
        ), why


def test_allowed_loss_is_told_and_counted(tmp_path: Path) -> None:
    from curate.pipeline.run import Pipeline

    source = write_jsonl(tmp_path / "rows.jsonl", [*DIALECTS["tool call"], *DIALECTS["kwargs"]])
    output = {"format": "openrlhf", "allow_loss": True, "path": str(tmp_path / "out")}
    result = Pipeline({"input": {"path": str(source)}, "output": output}).run(
        output=tmp_path / "out"
    )
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["output"]["lost"] == {"tools": 1, "chat_template_kwargs": 1}
    assert manifest["output"]["parts"]["tool calls"] == 1
    assert any("tools of 1 pairs are lost" in warning for warning in manifest["warnings"])
    assert "tools of 1 pairs are lost" in (tmp_path / "out" / "README.md").read_text()
    assert len(result.kept) == 2
    pairs = pl.read_parquet(tmp_path / "out" / "pairs" / "*.parquet")
    assert pairs["tools"].null_count() == 1


def test_a_run_stops_before_any_scoring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from curate.errors import CurateError
    from curate.pipeline.run import Pipeline
    from curate.pipeline.scoring import PairScorer

    def scored(*_: Any) -> None:
        raise AssertionError("scored")

    monkeypatch.setattr(PairScorer, "score_all", scored)
    source = write_jsonl(tmp_path / "rows.jsonl", DIALECTS["image"])
    config = {"input": {"path": str(source)}, "output": {"format": "axolotl"}}
    with pytest.raises(CurateError, match="images in 1 of 1 pairs") as error:
        Pipeline(config).run(output=tmp_path / "out")
    assert {"llamafactory", "swift", "trl", "trl_kto"} <= set(re.findall(r"\w+", str(error.value)))
    assert "allow_loss" in str(error.value)
    assert not (tmp_path / "out").exists()


def test_answers_of_several_messages_stop_a_run_before_any_scoring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from curate.errors import CurateError
    from curate.pipeline.run import Pipeline
    from curate.pipeline.scoring import PairScorer

    source = write_jsonl(tmp_path / "rows.jsonl", [PLAIN, *DIALECTS["several messages"]])
    output = {"format": "llamafactory"}
    config: dict[str, Any] = {"input": {"path": str(source)}, "output": output}
    keep = "ARRAY_LENGTH(chosen) = 1 AND ARRAY_LENGTH(rejected) = 1"
    able = config | {"filters": [{"type": "expression", "keep": keep}]}
    assert len(Pipeline(able).run(output=tmp_path / "able").kept) == 1

    def scored(*_: Any) -> None:
        raise AssertionError("scored")

    monkeypatch.setattr(PairScorer, "score_all", scored)
    with pytest.raises(CurateError, match="several messages"):
        Pipeline(config).run(output=tmp_path / "out")


def test_a_pair_table_of_an_older_version_is_read(tmp_path: Path) -> None:
    pairs = read_pairs(str(write_jsonl(tmp_path / "rows.jsonl", [PLAIN]))).frame
    turn = pl.struct(*(pl.element().struct.field(name) for name in ("role", "content")))
    turns = (pl.col(c).list.eval(turn) for c in ("prompt", "chosen", "rejected"))
    old = pairs.select(list(PAIR_COLUMNS)[:9]).with_columns(turns)
    assert as_pair_table(old).equals(pairs)
    old.write_parquet(tmp_path / "old.parquet")
    assert read_pairs(str(tmp_path / "old.parquet")).frame.equals(pairs)
