from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import BPE

from curate import read_pairs
from curate.data.table import messages_text
from curate.models.embed import word_tokens
from curate.models.embed.static import StaticEmbedder
from curate.models.embed.word_tokens import WordTokens
from tests.conftest import DATA

pytest.importorskip("wordllama", reason="needs the extra 'static'")
TOKENIZER = StaticEmbedder()._tokenizer
ODD = [
    *("", " ", "  ", "a", " a", "a ", "a  ", "  a   b", "a\n b\n", "\ta", "<s>", "a</s>b c"),
    *("a </s> b", "日本語 テスト", "naïve é", "👩\u200d👧 x", "▁a▁ b", "a ▁", "▁ "),
    *("\u00a0x \u2003y", "x" * 3000),
]


def by_a_loop(texts: list[str]) -> list[list[int]]:
    return [TOKENIZER.encode(text, add_special_tokens=False).ids for text in texts]


def by_words(tokens: WordTokens, texts: list[str]) -> list[list[int]]:
    ids, counts = tokens.ids(texts)
    assert len(counts) == len(texts)
    return [part.tolist() for part in np.split(ids, np.cumsum(counts))[:-1]]


def test_ids_are_those_of_whole_texts() -> None:
    frame = read_pairs(str(DATA / "hh-rlhf-harmless"), on_error="skip").frame
    texts = frame.select(t=messages_text("chosen"))["t"].to_list() + ODD
    assert by_words(WordTokens(TOKENIZER), texts) == by_a_loop(texts)


def test_each_odd_text_alone() -> None:
    tokens = WordTokens(TOKENIZER)
    for text in ODD:
        assert by_words(tokens, [text]) == by_a_loop([text]), repr(text)
    assert by_words(tokens, []) == []


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(alphabet=" ab▁<s>/\n.é日", max_size=12), max_size=6))
def test_any_texts(texts: list[str]) -> None:
    assert by_words(WordTokens(TOKENIZER), texts) == by_a_loop(texts)


def test_words_are_forgotten_and_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_tokens, "_KEPT", 2)
    tokens = WordTokens(TOKENIZER)
    for texts in (["one two three"], ["four five"], ["one five six"]):
        assert by_words(tokens, texts) == by_a_loop(texts)
    assert len(tokens._row) <= 5


def test_a_vocabulary_that_crosses_words_is_used_on_whole_texts() -> None:
    letters = {"▁": 0, "a": 1, "b": 2, "a▁": 3, "a▁b": 4}
    merges = [("a", "▁"), ("a▁", "b")]
    crossing = Tokenizer(BPE(letters, merges))
    ids, counts = WordTokens(crossing).ids(["a▁b", "ab"])
    assert (ids.tolist(), counts.tolist()) == ([4, 1, 2], [1, 2])
