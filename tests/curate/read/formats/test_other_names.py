"""Sets whose columns have names of their own, in their published schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curate import CurateError, read_pairs
from tests.curate.read.formats.test_public_formats import answers, read
from tests.helpers import turn, write_jsonl

KINDS = pytest.mark.parametrize("kind", ["jsonl", "parquet"])


@KINDS
@pytest.mark.parametrize(
    "row",
    [
        {"qid": 1, "question": "q", "metadata": ["m"], "response_j": "a", "response_k": "b"},
        {"instruction": "q", "chosen_response": "a", "rejected_response": "b"},
        {"input": "q", "accepted": "a", "rejected": "b", "ID": 1},
        {"query": "q", "chosen_answer": "a", "rejected_answer": "b"},
        {"prompt": "q", "chosen": "a", "reject": "b"},
        {"question": "q", "better_response": "a", "worse_response": "b"},
        {"prompt": "q", "pos_resp": "a", "neg_resp": "b", "pos_type": "safe"},
    ],
)
def test_answers_that_are_called_otherwise(tmp_path: Path, kind: str, row: dict[str, Any]) -> None:
    pairs = read(tmp_path, [row], kind)
    assert (pairs.format, answers(pairs)) == ("named_answers", [("a", "b")])
    assert pairs.frame["prompt"].to_list() == [turn("q", "user")]


def test_a_system_text_stands_before_the_prompt_of_named_answers(tmp_path: Path) -> None:
    row = {"system": "Be brief.", "prompt": "q", "chosen_response": "a", "rejected_response": "b"}
    prompt = read(tmp_path, [row]).frame["prompt"].to_list()
    assert prompt == [turn("Be brief.", "system") + turn("q", "user")]


def test_of_two_columns_that_may_be_the_prompt_none_is_guessed(tmp_path: Path) -> None:
    row = {"prompt": "p", "question": "q", "chosen_response": "a", "rejected_response": "b"}
    with pytest.raises(CurateError, match="not recognised"):
        read_pairs(str(write_jsonl(tmp_path / "a.jsonl", [row])))


def test_scores_that_contradict_named_answers_are_told(tmp_path: Path) -> None:
    row = {"instruction": "q", "chosen_response": "a", "rejected_response": "b"}
    scored = [{**row, "chosen_rating": 2.0, "rejected_rating": 9.0}]
    assert any("contradict their own scores" in note for note in read(tmp_path, scored).notes)


@KINDS
def test_a_step_is_read_with_the_steps_before_it(tmp_path: Path, kind: str) -> None:
    row = {
        "prompt": "1+1+1?",
        "initial_reason_steps": "Step 1: 1+1=2.\nStep 2:",
        "chosen": " 2+1=3.",
        "rejected": " 2+1=4.",
        "full_chosen": "Step 1: 1+1=2.\nStep 2: 2+1=3.",
        "answer": "3",
    }
    pairs = read(tmp_path, [row, {**row, "initial_reason_steps": ""}], kind)
    shared = row["initial_reason_steps"]
    assert pairs.format == "step_dpo"
    assert answers(pairs)[0] == (f"{shared} 2+1=3.", f"{shared} 2+1=4.")
    assert answers(pairs)[1] == (" 2+1=3.", " 2+1=4.")
    assert json.loads(pairs.frame["extra"][0])["initial_reason_steps"] == shared


@KINDS
@pytest.mark.parametrize(
    ("columns", "labels"),
    [
        (("prompt", "response_a", "response_b", "winner"), ("A", "B", "tie")),
        (("question", "response_A", "response_B", "label"), ("A>B", "B>A", "A=B")),
        (("prompt", "response_1", "response_2", "winner"), ("model_a", "model_b", "tie")),
        (("instruction", "output_1", "output_2", "preference"), (1, 2, None)),
        (("prompt", "completion_a", "completion_b", "preferred"), ("completion_a", "completion_b")),
    ],
)
def test_a_label_says_which_of_two_answers_won(
    tmp_path: Path, kind: str, columns: tuple[str, ...], labels: tuple[Any, ...]
) -> None:
    if columns[0] == "instruction":
        columns = ("question", *columns[1:])
    rows = [dict(zip(columns, ("q", "a", "b", label), strict=True)) for label in labels]
    pairs = read(tmp_path, rows, kind)
    assert pairs.format == "labelled_answers"
    assert answers(pairs)[:2] == [("a", "b"), ("b", "a")]
    ties = [False, False, True] if labels[-1] not in (None, labels[1]) else [False, False]
    assert pairs.frame["is_tie"].to_list() == ties
    if labels[-1] is None:
        assert pairs.rejected["reason"].to_list() == ["no vote was cast"]


def test_labels_of_unknown_meaning_are_not_guessed(tmp_path: Path) -> None:
    rows = [{"prompt": "q", "response_a": "a", "response_b": "b", "winner": w} for w in (0, 1)]
    with pytest.raises(CurateError, match="first_wins"):
        read_pairs(str(write_jsonl(tmp_path / "a.jsonl", rows)))


def test_a_label_past_the_sample_that_says_nothing_is_a_malformed_row(tmp_path: Path) -> None:
    base = {"prompt": "q", "response_a": "a", "response_b": "b"}
    rows = [*({**base, "winner": "A"} for _ in range(200)), {**base, "winner": "C?"}]
    pairs = read(tmp_path, rows)
    assert len(pairs.frame) == 200
    assert "'C?' names neither answer" in pairs.rejected["reason"][0]


def test_a_context_beside_labelled_answers_is_not_dropped(tmp_path: Path) -> None:
    row = {"prompt": "q", "context": "c", "response_a": "a", "response_b": "b", "winner": "A"}
    with pytest.raises(CurateError, match="not recognised"):
        read_pairs(str(write_jsonl(tmp_path / "a.jsonl", [row])))


def test_prometheus_is_read_by_what_was_asked(tmp_path: Path) -> None:
    row = {
        "orig_instruction": "q",
        "orig_response_A": "a",
        "orig_response_B": "b",
        "orig_preference": "B",
        "orig_score_A": "3",
        "input": "",
        "instruction": "###Task Description: ...",
        "output": "Feedback: ...",
    }
    pairs = read(tmp_path, [row])
    assert (pairs.format, answers(pairs)) == ("labelled_answers", [("b", "a")])
    assert pairs.frame["prompt"].to_list() == [turn("q", "user")]


@KINDS
def test_alpaca_farm_keeps_the_input_in_the_prompt(tmp_path: Path, kind: str) -> None:
    base = {"instruction": "Add.", "input": "1 2", "output_1": "3", "output_2": "4"}
    pairs = read(tmp_path, [{**base, "preference": 1}, {**base, "preference": 2}], kind)
    assert (pairs.format, answers(pairs)) == ("alpaca_farm", [("3", "4"), ("4", "3")])
    assert pairs.frame["prompt"][0].to_list() == turn("Add.\n1 2", "user")
    # Whole numbers say nothing of strength.
    assert pairs.frame["strength"].to_list() == [None, None]


@KINDS
def test_offsetbias_is_read_by_its_label(tmp_path: Path, kind: str) -> None:
    base = {"instruction": "Add.", "input": "", "output_1": "3", "output_2": "4"}
    pairs = read(tmp_path, [{**base, "label": 1}, {**base, "label": 2}], kind)
    assert (pairs.format, answers(pairs)) == ("alpaca_farm", [("3", "4"), ("4", "3")])
    assert pairs.frame["prompt"][0].to_list() == turn("Add.", "user")


def test_a_label_of_zero_beside_two_outputs_is_not_guessed(tmp_path: Path) -> None:
    base = {"instruction": "Add.", "output_1": "3", "output_2": "4"}
    rows = [{**base, "label": 0}, {**base, "label": 1}]
    with pytest.raises(CurateError, match="check what its labels mean"):
        read_pairs(str(write_jsonl(tmp_path / "a.jsonl", rows)))


def test_alpaca_eval_says_how_much_better(tmp_path: Path) -> None:
    base = {"instruction": "q", "output_1": "a", "output_2": "b", "annotator": "gpt"}
    rows = [{**base, "preference": p} for p in (1.25, 1.5, 2.0, 0.0, None)]
    pairs = read(tmp_path, rows)
    assert answers(pairs)[0] == ("a", "b")
    assert answers(pairs)[2] == ("b", "a")
    assert pairs.frame["is_tie"].to_list() == [False, True, False, True]
    assert pairs.frame["strength"].to_list() == [0.5, 0.0, 1.0, None]
    assert pairs.frame["annotator"].to_list() == ["gpt"] * 4
    assert pairs.rejected["reason"].to_list() == ["no vote was cast"]


def test_stack_exchange_ranks_by_votes(tmp_path: Path) -> None:
    scored = [("low", 0), ("best", 5), ("middle", 2)]
    row = {
        "qid": 1,
        "question": "<p>q</p>",
        "answers": [{"text": t, "pm_score": s, "selected": s == 5} for t, s in scored],
    }
    pairs = read(tmp_path, [row, {**row, "answers": row["answers"][:1]}], "parquet")
    assert (pairs.format, answers(pairs)) == ("stack_exchange", [("best", "low")])
    assert pairs.frame["strength"].to_list() == [5.0]
    assert "two scored answers" in pairs.rejected["reason"][0]


def _message(name: str, parent: str | None, text: str, **more: Any) -> dict[str, Any]:
    role = "assistant" if name.startswith("a") else "prompter"
    return {
        "message_id": name,
        "parent_id": parent,
        "role": role,
        "text": text,
        "rank": None,
    } | more


TREE = [
    _message("p1", None, "Why?", lang="en"),
    _message("a1", "p1", "Since.", rank=1, lang="en", labels={"quality": 0.2}),
    _message("a2", "p1", "Because.", rank=0, lang="en", labels={"quality": 0.9}),
    _message("p2", "a2", "And then?", lang="en", rank=0),
    _message("a3", "p2", "Nothing.", rank=0, lang="en"),
    _message("a4", "p2", "All.", rank=2, lang="en"),
    _message("a5", "p2", "Some.", rank=1, lang="en"),
    _message("p3", "a1", "Alone?", lang="en"),
    _message("a6", "p3", "Yes.", rank=0, lang="en"),
]


@KINDS
def test_open_assistant_ranks_the_replies_to_a_message(tmp_path: Path, kind: str) -> None:
    pairs = read(tmp_path, TREE, kind)
    assert pairs.format == "open_assistant"
    assert answers(pairs) == [("Because.", "Since."), ("Nothing.", "All.")]
    assert pairs.frame["prompt"].to_list() == [
        turn("Why?", "user"),
        turn("Why?", "user") + turn("Because.") + turn("And then?", "user"),
    ]
    assert pairs.frame["strength"].to_list() == [1.0, 2.0]
    assert pairs.frame["source"].to_list() == ["en", "en"]
    extra = json.loads(pairs.frame["extra"][0])
    assert extra["chosen_message"]["labels"] == {"quality": 0.9}
    assert extra["rejected_message"]["message_id"] == "a1"
    reasons = dict(zip(*pairs.rejected.select("row", "reason"), strict=True))
    assert reasons.keys() == {8, 9}
    assert reasons[9] == "the only ranked reply to its message"


def test_the_rows_of_a_tree_may_stand_in_any_order(tmp_path: Path) -> None:
    ahead = read(tmp_path, TREE)
    behind = read(tmp_path, TREE[::-1])
    assert set(behind.frame["pair_id"]) == set(ahead.frame["pair_id"])


@pytest.mark.parametrize(
    "lost", [TREE[1:], [{**TREE[0], "parent_id": "a2"}, *TREE[1:]]], ids=["missing", "circle"]
)
def test_replies_without_their_whole_conversation_are_malformed(
    tmp_path: Path, lost: list[dict[str, Any]]
) -> None:
    other = [
        _message("p9", None, "What?", lang="en"),
        _message("a8", "p9", "That.", rank=0, lang="en"),
        _message("a9", "p9", "This.", rank=1, lang="en"),
    ]
    path = write_jsonl(tmp_path / "a.jsonl", lost + other)
    with pytest.raises(CurateError, match="not in the data"):
        read_pairs(str(path))
    pairs = read_pairs(str(path), on_error="skip")
    assert answers(pairs) == [("That.", "This.")]
    assert len(pairs.rejected) == len(lost)


HOSTED = {
    "input": {
        "messages": [{"role": "system", "content": "Be nice."}, {"role": "user", "content": "q"}],
        "tools": [
            {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
        ],
        "parallel_tool_calls": True,
    },
    "preferred_output": [{"role": "assistant", "content": "a"}],
    "non_preferred_output": [{"role": "assistant", "content": "b"}],
}


@KINDS
def test_hosted_dpo_is_read_with_its_tools(tmp_path: Path, kind: str) -> None:
    pairs = read(tmp_path, [HOSTED], kind)
    assert (pairs.format, answers(pairs)) == ("openai_dpo", [("a", "b")])
    assert pairs.frame["prompt"].to_list() == [turn("Be nice.", "system") + turn("q", "user")]
    assert json.loads(pairs.frame["tools"][0])[0]["function"]["name"] == "f"
    assert json.loads(pairs.frame["extra"][0])["input"] == {"parallel_tool_calls": True}


def test_hosted_dpo_without_messages_is_malformed(tmp_path: Path) -> None:
    older = {"input": {"messages": HOSTED["input"]["messages"]}}  # type: ignore[index]
    older |= {"preferred_completion": [{"role": "assistant", "content": "a"}]}
    older |= {"non_preferred_completion": [{"role": "assistant", "content": "b"}]}
    pairs = read(tmp_path, [older, {**older, "input": {"messages": []}}, {**older, "input": None}])
    assert answers(pairs) == [("a", "b")]
    assert pairs.frame["extra"].to_list() == [None]
    assert ["'input' holds no messages" in r for r in pairs.rejected["reason"]] == [True, True]


@KINDS
@pytest.mark.parametrize("score", ["score", "reward", "rating"])
def test_answers_that_were_scored_one_by_one(tmp_path: Path, kind: str, score: str) -> None:
    scored = [("low", 0.1), ("alone", 0.5), ("high", 0.9), ("middle", 0.5), ("none", None)]
    rows = [
        {"prompt": "p" if text != "alone" else "q", "response": text, score: number, "model": text}
        for text, number in scored
    ]
    pairs = read(tmp_path, rows, kind)
    assert pairs.format == "scored_answers"
    assert answers(pairs)[0] == ("high", "low")
    assert pairs.frame["strength"][0] == pytest.approx(0.8)
    extra = json.loads(pairs.frame["extra"][0])
    assert extra["chosen_row"]["model"] == "high"
    assert extra["rejected_row"]["model"] == "low"
    assert set(pairs.rejected["reason"]) == {"no other scored answer to this prompt"}


def test_scored_answers_of_prompts_that_differ_are_no_pairs(tmp_path: Path) -> None:
    rows = [{"prompt": p, "response": "a", "score": 1.0} for p in "pq"]
    with pytest.raises(CurateError, match="no other scored answer"):
        read_pairs(str(write_jsonl(tmp_path / "a.jsonl", rows)), on_error="skip")


CONTENTS = {
    "system_instruction": {"parts": [{"text": "Be "}, {"text": "nice."}]},
    "contents": [
        {"role": "user", "parts": [{"text": "hi"}]},
        {"role": "model", "parts": [{"text": "ho"}]},
        {"role": "user", "parts": [{"text": "q"}]},
    ],
    "completions": [
        {"score": 0, "completion": {"role": "model", "parts": [{"text": "b"}]}},
        {"score": 1, "completion": {"role": "model", "parts": [{"text": "a"}]}},
    ],
}


@KINDS
def test_the_form_of_vertex_is_read(tmp_path: Path, kind: str) -> None:
    pairs = read(tmp_path, [CONTENTS, {**CONTENTS, "system_instruction": None}], kind)
    assert (pairs.format, answers(pairs)) == ("vertex", [("a", "b")] * 2)
    talk = turn("hi", "user") + turn("ho") + turn("q", "user")
    assert pairs.frame["prompt"].to_list() == [turn("Be nice.", "system") + talk, talk]
    assert pairs.frame["strength"].to_list() == [None, None]


def test_a_part_that_is_no_text_is_a_malformed_row(tmp_path: Path) -> None:
    file_content = {
        "role": "user",
        "parts": [{"fileData": {"fileUri": "gs://x"}}, {"text": "What?"}],
    }
    pairs = read(tmp_path, [CONTENTS, {**CONTENTS, "contents": [file_content]}])
    assert len(pairs.frame) == 1
    assert "'contents' has a part that is no text" in pairs.rejected["reason"][0]


@KINDS
@pytest.mark.parametrize(
    ("text", "number", "best_first"),
    [("text", "score", False), ("response", "rank", True), ("generated_text", "reward", False)],
)
def test_answers_that_are_objects(
    tmp_path: Path, kind: str, text: str, number: str, best_first: bool
) -> None:
    values = (1.0, 2.0, None)
    answer_objects = [
        {text: t, number: v, "model": t.upper()} for t, v in zip("abc", values, strict=True)
    ]
    pairs = read(tmp_path, [{"prompt": "q", "responses": answer_objects}], kind)
    best, worst = ("a", "b") if best_first else ("b", "a")
    assert (pairs.format, answers(pairs)) == ("answer_objects", [(best, worst)])
    extra = json.loads(pairs.frame["extra"][0])
    assert extra["chosen_answer"]["model"] == best.upper()
    assert extra["rejected_answer"]["model"] == worst.upper()


def test_an_answer_object_without_a_number_past_the_sample_is_malformed(tmp_path: Path) -> None:
    complete_answers = [{"text": "a", "score": 1}, {"text": "b", "score": 0}]
    odd = [complete_answers[0], {"text": "b", "score": "low"}]
    rows = [{"prompt": "q", "responses": complete_answers}] * 120 + [
        {"prompt": "q", "responses": odd}
    ]
    pairs = read(tmp_path, rows)
    assert len(pairs.frame) == 120
    assert "answer 2 has the score 'low'" in pairs.rejected["reason"][0]


@KINDS
def test_vlfeedback_goes_by_the_mean_of_its_aspects(tmp_path: Path, kind: str) -> None:
    def completion(text: str, *ratings: str) -> dict[str, Any]:
        names = ("Helpfulness", "Visual Faithfulness", "Ethical Considerations")
        rated = {n: {"Rating": r, "Rationale": "x"} for n, r in zip(names, ratings, strict=True)}
        return {"response": text, "model": "m", "annotations": rated}

    completions = [
        completion("a", "5", "1", "3"),
        completion("b", "4", "4", "5"),
        completion("c", "1", "1", "5"),
    ]
    row = {"prompt": "What?", "image": "a.png", "models": ["m"], "completions": completions}
    pairs = read(tmp_path, [row], kind)
    assert (pairs.format, answers(pairs)) == ("vlfeedback", [("b", "c")])
    assert pairs.frame["prompt"][0].to_list()[0]["content"] == "<image>\nWhat?"
    assert pairs.frame["images"][0].to_list()[0]["path"] == "a.png"


def test_a_conversation_may_be_the_prompt_of_labelled_answers(tmp_path: Path) -> None:
    row = {
        "conversations": [{"from": "human", "value": "<image>\nWhat?"}],
        "output_1": {"from": "llava", "value": "a"},
        "output_2": {"from": "llava", "value": "b"},
        "image": "a.png",
        "preference": 2,
    }
    pairs = read(tmp_path, [row])
    assert pairs.format == "labelled_answers"
    assert [m["content"] for m in pairs.frame["chosen"][0]] == ["b"]


@KINDS
def test_a_trajectory_is_the_prompt(tmp_path: Path, kind: str) -> None:
    trajectory = [{"from": "user", "value": "q"}, {"from": "assistant", "value": "No."}]
    trajectory.append({"from": "user", "value": "Again."})
    row = {"task": "Math", "trajectory": trajectory, "chosen": "a", "rejected": "b"}
    pairs = read(tmp_path, [row], kind)
    assert answers(pairs) == [("a", "b")]
    assert [m["content"] for m in pairs.frame["prompt"][0]] == ["q", "No.", "Again."]


@KINDS
def test_a_dialogue_in_the_prompt_column_is_read_as_turns(tmp_path: Path, kind: str) -> None:
    dialogue = "\n\nHuman: hi\n\nAssistant: ho\n\nHuman: q\n\nAssistant:"
    row = {"prompt": dialogue, "response": " a", "chosen": " a", "rejected": " b"}
    pairs = read(tmp_path, [row], kind)
    assert (pairs.format, answers(pairs)) == ("hh_prompt", [("a", "b")])
    assert pairs.frame["prompt"].to_list() == [turn("hi", "user") + turn("ho") + turn("q", "user")]
    assert pairs.notes == ()
