"""Relevance and its regularisers on vectors that are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from curate.scorers.relevance import Relevance
from tests.helpers import context_of, pairs_of, swapped

A, B = np.array([1.0, 0.0]), np.array([0.6, 0.8])
PAIRS = pairs_of([{"prompt": "p", "chosen": "one two three four", "rejected": "go go go go go go"}])
CONTEXT = context_of(PAIRS, {"p": A, "one two three four": B, "go go go go go go": A}, 2)


def test_cosine_times_length_and_repetition() -> None:
    scores = Relevance().score(PAIRS, CONTEXT)
    assert scores["chosen"][0] == pytest.approx(0.6 * np.log(5))
    # One distinct trigram of four.
    assert scores["rejected"][0] == pytest.approx(1.0 * np.log(7) / 4)
    assert scores["margin"][0] == pytest.approx(0.6 * np.log(5) - np.log(7) / 4)


def test_powers_of_zero_leave_the_cosine() -> None:
    scores = Relevance(length=0, repetition=0).score(PAIRS, CONTEXT)
    assert scores["chosen"][0] == pytest.approx(0.6)
    assert scores["rejected"][0] == pytest.approx(scores["rejected_relevance"][0]) == 1.0


def test_the_length_incentive_of_the_paper() -> None:
    scores = Relevance(length_form="linear").score(PAIRS, CONTEXT)
    assert scores["chosen"][0] == pytest.approx(0.6 * 4 / 100)
    assert scores["rejected"][0] == pytest.approx(1.0 * 6 / 100 / 4)


def test_prompts_with_a_reference_are_compared_with_it_whatever_the_length() -> None:
    pairs = pl.concat([PAIRS, PAIRS]).with_columns(extra=pl.Series(['{"gold": "go"}', None]))
    context = CONTEXT.for_pairs(pairs, CONTEXT.features.take(np.array([0, 0])))
    context = replace(context, embed=lambda texts: np.stack([B] * len(texts)).astype(np.float32))
    scores = Relevance(reference="gold").score(pairs, context)
    # The reference's vector is that of the chosen answer; one of four trigrams is distinct.
    assert scores["chosen"].to_list() == pytest.approx([1.0, 0.6 * np.log(5)])
    assert scores["rejected"].to_list() == pytest.approx([0.6 / 4, np.log(7) / 4])


def test_a_swap_turns_the_margin_round() -> None:
    back = swapped(PAIRS)
    context = context_of(back, {"p": A, "one two three four": B, "go go go go go go": A}, 2)
    forward, backward = Relevance().score(PAIRS, CONTEXT), Relevance().score(back, context)
    assert backward["margin"][0] == pytest.approx(-forward["margin"][0])
