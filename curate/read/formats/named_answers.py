"""Two answers whose names say which one is preferred, other than chosen and rejected."""

from __future__ import annotations

import polars as pl

from curate.read.column_names import SYSTEM
from curate.read.formats.base import (
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    as_turn,
    has_columns,
    prepend_system_turn,
)

CHOSEN_RESPONSE = "chosen_response"
_MESSAGES = "messages"
"""A prompt if both answers have columns; else the conversation that ms-swift trains on."""
_PROMPTS = ("prompt", "question", "instruction", "input", "query", _MESSAGES)
_NAMES = (
    ("response_j", "response_k"),
    (CHOSEN_RESPONSE, "rejected_response"),
    ("chosen_answer", "rejected_answer"),
    ("accepted", "rejected"),
    ("chosen", "reject"),
    ("chosen_output", "rejected_output"),
    ("preferred_response", "dispreferred_response"),
    ("better_response", "worse_response"),
    ("response_w", "response_l"),
    ("pos_resp", "neg_resp"),
)


class NamedAnswers(Format):
    """The answers as `response_j` and `response_k`, `chosen_response` and `rejected_response`, ...

    As lvwerra/stack-exchange-paired, argilla/distilabel-math-preference-dpo, nvidia/When2Call,
    Vezora/Code-Preference-Pairs and CValues-Comparison. One column holds the prompt; where two may,
    nothing is guessed.
    """

    name = "named_answers"
    summary = (
        "a prompt and two answers by name: chosen_response and rejected_response, and the like"
    )
    text_columns = (*_PROMPTS, *SYSTEM, *dict.fromkeys(name for two in _NAMES for name in two))
    priority = 5

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are one prompt and two such answers."""
        pair_count = sum(has_columns(rows, *names) for names in _NAMES)
        prompt_count = sum(has_columns(rows, name) for name in _PROMPTS)
        conversation = has_columns(rows, _MESSAGES) and not has_columns(rows, CHOSEN_RESPONSE)
        return pair_count == prompt_count == 1 and not conversation

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return pairs by the names of the answers."""
        prompt = pl.coalesce(as_messages_column(rows, name, "user") for name in _PROMPTS)
        better, worse = zip(*_NAMES, strict=True)
        return rows.with_columns(
            prompt=prepend_system_turn(rows, prompt),
            chosen=pl.coalesce(as_messages_column(rows, name, "assistant") for name in better),
            rejected=pl.coalesce(as_messages_column(rows, name, "assistant") for name in worse),
        )


class StepDPO(Format):
    """`prompt`, `initial_reason_steps`, `chosen` and `rejected`: the next step of a solution.

    As xinlai/Math-Step-DPO-10K (arXiv 2406.18629). Both answers begin with the steps that they
    share, which cancel in DPO's difference of log-ratios; without them a step would answer nothing.
    """

    name = "step_dpo"
    side_suffixes = ("chosen", "rejected")
    summary = "Step-DPO: prompt, initial_reason_steps, chosen, rejected (the next step)"
    text_columns = ("prompt", "initial_reason_steps", "chosen", "rejected")
    keep_in_extra = ("initial_reason_steps",)
    priority = 15

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are the steps so far, chosen and rejected."""
        return has_columns(rows, *self.text_columns)

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the shared steps before each next step."""
        so_far = pl.col("initial_reason_steps").fill_null("")
        return rows.with_columns(
            prompt=as_messages_column(rows, "prompt", "user"),
            chosen=as_turn(so_far + pl.col("chosen"), "assistant"),
            rejected=as_turn(so_far + pl.col("rejected"), "assistant"),
        )
