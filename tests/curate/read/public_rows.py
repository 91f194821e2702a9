"""Rows of public forms by number, for tests that damage one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Rows = list[dict[str, Any]]
_ASPECTS = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def _text_content(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def _ask(i: int) -> str:
    return f"Question {i}?"


def _yes(i: int) -> str:
    return f"Yes {i}."


def _no(i: int) -> str:
    return f"No {i}."


def _both(i: int) -> dict[str, Any]:
    return {"chosen": _yes(i), "rejected": _no(i)}


def _talks(i: int, *keys: str) -> dict[str, Any]:
    talks = ([_user(_ask(i)), _text_content(text)] for text in (_yes(i), _no(i)))
    return dict(zip(keys, talks, strict=True))


def _rated(text: str, rating: str) -> dict[str, Any]:
    return {
        "response": text,
        "model": "m",
        "overall_score": float(rating),
        "annotations": {"helpfulness": {"Rating": rating}, "honesty": {"Rating": rating}},
    }


def _hh(text: str, i: int) -> str:
    return f"\n\nHuman: {_ask(i)}\n\nAssistant: {text}"


def _labelled_conversation(text: str, i: int, label: bool) -> dict[str, Any]:
    return {"prompt": _ask(i), "completion": text, "label": label}


def _call(i: int) -> Rows:
    function = {"name": "f", "arguments": f'{{"x": {i}}}'}
    call = {"id": f"c{i}", "type": "function", "function": function}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": f"c{i}", "content": f"result {i}"},
        _text_content(_yes(i)),
    ]


FORMS: dict[str, Callable[[int], Rows]] = {
    "trl": lambda i: [{"prompt": _ask(i), **_both(i)}],
    "trl messages": lambda i: [
        {
            "prompt": [_user(_ask(i))],
            "chosen": [_text_content(_yes(i))],
            "rejected": [_text_content(_no(i))],
        }
    ],
    "trl implicit": lambda i: [_talks(i, "chosen", "rejected")],
    "sharegpt": lambda i: [
        {
            "conversations": [{"from": "human", "value": _ask(i)}],
            "chosen": {"from": "gpt", "value": _yes(i)},
            "rejected": {"from": "gpt", "value": _no(i)},
        }
    ],
    "alpaca": lambda i: [
        {"instruction": _ask(i), "input": f"in {i}", "history": [["a", "b"]], **_both(i)}
    ],
    "alpaca outputs": lambda i: [
        {"instruction": _ask(i), "input": "", "output": [_yes(i), _no(i)]}
    ],
    "swift": lambda i: [
        {"messages": [_user(_ask(i)), _text_content(_yes(i))], "rejected_response": _no(i)}
    ],
    "swift query": lambda i: [
        {
            "query": _ask(i),
            "response": _yes(i),
            "rejected_response": _no(i),
            "history": [["a", "b"]],
        }
    ],
    "listwise": lambda i: [{"prompt": _ask(i), "responses": [_no(i), _yes(i)], "scores": [1, 3]}],
    "answer lists": lambda i: [{"prompt": _ask(i), "chosen": [_yes(i), "!"], "rejected": [_no(i)]}],
    "kto": lambda i: [
        _labelled_conversation(_yes(i), i, True),
        _labelled_conversation(_no(i), i, False),
    ],
    "nemo rl": lambda i: [
        {
            "context": [_user(_ask(i))],
            "completions": [
                {"rank": 0, "completion": [_text_content(_yes(i))]},
                {"rank": 1, "completion": [_text_content(_no(i))]},
            ],
        }
    ],
    "labelled": lambda i: [
        {"prompt": _ask(i), "response_a": _no(i), "response_b": _yes(i), "winner": "B"}
    ],
    "alpaca farm": lambda i: [
        {"instruction": _ask(i), "output_1": _yes(i), "output_2": _no(i), "preference": 1}
    ],
    "hh": lambda i: [{"chosen": _hh(_yes(i), i), "rejected": _hh(_no(i), i)}],
    "ultrafeedback": lambda i: [
        {"instruction": _ask(i), "completions": [_rated(_yes(i), "5"), _rated(_no(i), "2")]}
    ],
    "helpsteer2": lambda i: [
        {"prompt": _ask(i), "response": _yes(i), **dict.fromkeys(_ASPECTS, 4)},
        {"prompt": _ask(i), "response": _no(i), **dict.fromkeys(_ASPECTS, 1)},
    ],
    "nectar": lambda i: [
        {
            "prompt": _hh("", i),
            "answers": [
                {"answer": _yes(i), "model": "m", "rank": 1.0},
                {"answer": _no(i), "model": "n", "rank": 2.0},
            ],
        }
    ],
    "shp": lambda i: [
        {"history": _ask(i), "human_ref_A": _yes(i), "human_ref_B": _no(i), "labels": 1}
    ],
    "arena": lambda i: [{**_talks(i, "conversation_a", "conversation_b"), "winner": "model_a"}],
    "arena 55k": lambda i: [
        {
            "prompt": f'["{_ask(i)}"]',
            "response_a": f'["{_yes(i)}"]',
            "response_b": f'["{_no(i)}"]',
            "winner_model_a": 1,
            "winner_model_b": 0,
            "winner_tie": 0,
        }
    ],
    "pku": lambda i: [
        {"prompt": _ask(i), "response_0": _yes(i), "response_1": _no(i), "better_response_id": 0}
    ],
    "summarize": lambda i: [
        {
            "info": {"post": _ask(i), "title": "t"},
            "summaries": [{"text": _yes(i)}, {"text": _no(i)}],
            "choice": 0,
            "worker": "w",
        }
    ],
    "stack exchange": lambda i: [
        {
            "question": _ask(i),
            "answers": [
                {"answer_id": 1, "author": "a", "pm_score": 3, "selected": True, "text": _yes(i)},
                {"answer_id": 2, "author": "b", "pm_score": 1, "selected": False, "text": _no(i)},
            ],
        }
    ],
    "openai": lambda i: [
        {
            "input": {"messages": [_user(_ask(i))]},
            "preferred_output": [_text_content(_yes(i))],
            "non_preferred_output": [_text_content(_no(i))],
        }
    ],
    "scored": lambda i: [
        {"prompt": _ask(i), "response": _yes(i), "score": 3.0},
        {"prompt": _ask(i), "response": _no(i), "score": 1.0},
    ],
    "tools": lambda i: [
        {
            "prompt": [_user(_ask(i))],
            "chosen": _call(i),
            "rejected": [_text_content(_no(i))],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
        }
    ],
}
