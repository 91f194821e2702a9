"""Counts of answers against a plain loop over Python strings."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from curate.data.table import messages_text
from curate.models.heads.ridge.feature_blocks import (
    prior_root,
    recognised_sources,
    remaining_sources,
)
from curate.models.text.answer_counts import _STOP, COUNTS, answer_counts
from curate.read.pairs import read_pairs

WORD = re.compile(
    r"[\u3400-\u9fff\u3040-\u30ff\uac00-\ud7af]|[^\W\u3400-\u9fff\u3040-\u30ff\uac00-\ud7af]+"
)
STOP = set(_STOP)
PROMPTS = ["What is the capital of Peru?", "", "请问北京在哪里", "Sort: 3 1 2\nplease"]
ANSWERS = [
    "Lima is the capital of Peru. It lies by the sea!",
    "",
    "北京在中国。你知道吗？",
    '# Title\n\n- one\n- two\n1. three\n**bold** `code` "quote" (x): maybe, you know?',
    "Sure, I think I'm not sure; my answer is no,",
    "I am sorry, I can't help with that.",
    "WHAT IS THE CAPITAL OF PERU? Lima, Lima, Lima",
    "   \n\n  ",
    "no",
]


def naive(text: str, prompt: str) -> dict[str, float]:
    words = WORD.findall(text.lower())
    prompt_words, answer_words = set(WORD.findall(prompt.lower())) - STOP, set(words) - STOP
    bigrams = list(pairwise(words))
    sentences = [s for s in re.split(r"[.!?。！？\n]+", text) if s.strip()]
    size, end, first = len(text), text.strip()[-1:], words[0] if words else ""
    start = prompt.strip()[:40].lower()
    return {
        "characters": math.log1p(size),
        "words": math.log1p(len(words)),
        "sentences": math.log1p(len(sentences)),
        "sentence length": math.log1p(size / (len(sentences) + 1)),
        "word length": sum(map(len, words)) / (len(words) + 1),
        "distinct words": len(set(words)) / (len(words) + 1),
        "distinct bigrams": len(set(bigrams)) / (len(bigrams) + 1),
        "recall": len(prompt_words & answer_words) / (len(prompt_words) + 1),
        "precision": len(prompt_words & answer_words) / (len(answer_words) + 1),
        "new words": math.log1p(len(answer_words - prompt_words)),
        "upper": sum(c.isupper() for c in text) / (size + 1),
        "digits": sum(c.isdigit() for c in text) / (size + 1),
        "punctuation": sum(not c.isalnum() and not c.isspace() for c in text) / (size + 1),
        "non-ASCII": sum(ord(c) > 127 for c in text) / (size + 1),
        "ended": float(end != "" and end in ".!?。！？"),
        "cut": float(end != "" and end in ",:;"),
        "bold": math.log1p(text.count("**")),
        "headers": math.log1p(len(re.findall(r"(?m)^#{1,6}\s", text))),
        "list items": math.log1p(len(re.findall(r"(?m)^\s*(?:[-*•]|\d+[.)])", text))),
        "paragraphs": math.log1p(text.count("\n\n")),
        "code": math.log1p(text.count("`")),
        "quotes": math.log1p(text.count('"')),
        "parentheses": math.log1p(text.count("(")),
        "colons": math.log1p(text.count(":")),
        "questions": math.log1p(text.count("?")),
        "exclamations": math.log1p(text.count("!")),
        "commas": math.log1p(text.count(",")),
        "refusal": float(bool(re.search(r"(?i)\bi am sorry\b|\bi can't\b", text))),
        "hedges": math.log1p(len(re.findall(r"(?i)\b(maybe|i think|i'm not sure)\b", text))),
        "you": math.log1p(len(re.findall(r"(?i)\byou(r|rs)?\b", text))),
        "I": math.log1p(len(re.findall(r"\bI\b|\bI'm\b|(?i:\bmy\b)", text))),
        "yes": float(first == "sure"),
        "no": float(first in ("no", "i")),
        "echo": float(bool(start) and start in text.lower()),
        "longest line": math.log1p(max(len(line) for line in text.split("\n"))),
        "empty": float(size == 0),
    }


@pytest.mark.parametrize("prompt", PROMPTS)
def test_counts_are_those_of_a_plain_loop(prompt: str) -> None:
    frame = pl.DataFrame({"prompt": [prompt] * len(ANSWERS), "answer": ANSWERS})
    counts = answer_counts(frame)
    assert counts.shape == (len(ANSWERS), len(COUNTS))
    expected = [[naive(text, prompt)[name] for name in COUNTS] for text in ANSWERS]
    np.testing.assert_allclose(counts, expected, rtol=1e-5, atol=1e-6)


def test_the_prior_has_no_sign_and_leaves_out_the_sources_of_the_data() -> None:
    names = remaining_sources(recognised_sources(pl.Series(["qwertz uiop"])))
    assert len(names) == 6
    root = prior_root(names)
    assert root.shape == (len(COUNTS) + 1, 6)
    moment = root @ root.T
    np.testing.assert_allclose(moment, moment.T)
    assert prior_root([]).shape == (len(COUNTS) + 1, 0)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("auto-j/slice.json", "autoj"),
        ("llmbar/Natural.json", "llmbar"),
        ("hh-rlhf-harmless/slice.jsonl.gz", "hh"),
        ("llama-factory-dpo/dpo_zh_demo.json", "lfzh"),
    ],
)
def test_a_set_that_the_prior_knows_is_left_out(path: str, name: str) -> None:
    pairs = read_pairs(str(Path(__file__).parents[3] / "data" / path)).frame
    prompts = pairs.select(t=messages_text("prompt"))["t"]
    assert name not in remaining_sources(recognised_sources(prompts))
