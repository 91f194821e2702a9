"""Datasets of two answers and a label that need no code of their own."""

from __future__ import annotations

from typing import ClassVar

from curate.read.formats.slots import SlotFormat


class AutoJ(SlotFormat):
    """Auto-J: two responses to a prompt of a named scenario, judged by one person.

    `label` counts the responses from 0; 2 is a tie.
    """

    name = "autoj"
    summary = "Auto-J pairwise: prompt, response 1, response 2 and label (0, 1, or 2 for a tie)"
    prompt, first, second, label = "prompt", "response 1", "response 2", "label"
    winners: ClassVar[dict[int, int]] = {0: 1, 1: 2, 2: 0}
    expected = "0, 1 or 2 (tie)"


class LLMBar(SlotFormat):
    """LLMBar: two outputs for an input, with a label checked by experts."""

    name = "llmbar"
    summary = "LLMBar: input, output_1, output_2 and label (1 or 2)"
    prompt, first, second, label = "input", "output_1", "output_2", "label"
    winners: ClassVar[dict[int, int]] = {1: 1, 2: 2}
    expected = "1 or 2"
    excluding = ("instruction", "prompt")


class SHP(SlotFormat):
    """Stanford Human Preferences: two comments on a post; 1 prefers A, which got more upvotes
    though it came no earlier.

    The strength is `score_ratio`, the source the subreddit.
    """

    name = "shp"
    summary = "SHP: history, human_ref_A, human_ref_B and labels (1: A, 0: B)"
    prompt, first, second, label = "history", "human_ref_A", "human_ref_B", "labels"
    winners: ClassVar[dict[int, int]] = {1: 1, 0: 2}
    expected = "1 (A) or 0 (B)"
    strength, source = "score_ratio", "domain"
    side_suffixes = ("_A", "_B")
