"""Answers that were judged one by one, good or bad: KTO's data, TRL's or LLaMA-Factory's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import polars as pl

from curate.read.formats.base import (
    ERROR,
    EXTRA,
    ROW,
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    has_columns,
    prepend_system_turn,
    prompt_key,
    report_unused_rows,
)
from curate.read.formats.llamafactory import ALPACA, HISTORY, add_alpaca_prompt
from curate.read.formats.rankings import pairs_from_rankings
from curate.read.formats.slots import label_text, list_to_extra

_GOOD = "true 1 1.0 good yes up thumbs_up thumbsup like desirable chosen positive 👍"
_BAD = (
    "false 0 0.0 -1 -1.0 bad no down thumbs_down thumbsdown dislike undesirable rejected negative"
)
_VERDICTS = {
    **dict.fromkeys(_GOOD.split(), 1.0),
    **dict.fromkeys([*_BAD.split(), "👎"], 0.0),
}
_UNKNOWN_LABEL = (
    "the label is '{}'; expected true or false, 1 or 0, good or bad, thumbs up or down, ..."
)
_PROMPTS, _ANSWERS = ("prompt", "question"), ("completion", "response", "output")
_CONVERSATIONS, _LABELS = ("messages", "conversations"), ("label", "kto_tag")
_FORMS = (
    *(
        (prompt, answer)
        for prompt in ("prompt", "question")
        for answer in ("completion", "response")
    ),
    *(("instruction", answer) for answer in ("output", "response")),
    *((conversation,) for conversation in _CONVERSATIONS),
)
_NO_ANSWER = "the last turn is by '{}'; expected the answer that was judged"
_KTO_NOTE = (
    "answers have no partner with the other label: KTO needs none (input.kind: answers, then the "
    "output format trl_kto)"
)
_NO_PARTNER = "no answer to this prompt has the other label"


class Unpaired(Format):
    """An answer and a `label` (or `kto_tag`): true or false, 1 or 0, good or bad...

    The answer is `completion` or `response` beside a `prompt` or `question`, the last turn of a
    conversation (`messages`, `conversations`), or `output` or `response` beside Alpaca's
    `instruction`.

    Good and bad answers to the same prompt are paired by `input.ranking` (best_worst: one pair a
    prompt; all: each good one with each bad one). Rows without a partner are listed, and are no
    error. Prompts with other tools or images are other prompts.
    """

    name = "unpaired"
    summary = (
        "KTO unpaired: prompt, completion (or messages) and label or kto_tag: true or false, ..."
    )
    text_columns = (
        "prompt",
        "question",
        "completion",
        "response",
        *_CONVERSATIONS,
        *ALPACA,
        "output",
    )
    json_columns: ClassVar[tuple[str, ...]] = (HISTORY,)
    value_columns = _LABELS
    # Beside a completion they are no part of the prompt, and must not be lost.
    keep_in_extra = ("instruction", "input", HISTORY)
    needs_all_rows = True
    answers_format = "answers"
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are labels of good or bad and answers, but no second answer."""
        name = next((name for name in _LABELS if has_columns(rows, name)), None)
        if name is None or has_columns(rows, "rejected"):
            return False
        labels = pl.DataFrame({"label": [str(row.get(name)) for row in rows]})
        has_verdicts = labels.select(v=verdict_score(pl.col("label")))["v"].null_count() * 2 < len(
            labels
        )
        return has_verdicts and any(has_columns(rows, *form) for form in _FORMS)

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return pairs of a good and a bad answer to one prompt."""
        label = pl.coalesce(label_text(name) for name in _LABELS)
        rows = rows.with_columns(label)
        rows = split_prompt_and_answer(rows, _PROMPTS, _ANSWERS, _CONVERSATIONS)
        return pairs_from_judged_rows(rows, "label", options)


def pairs_from_judged_rows(rows: pl.DataFrame, label: str, options: ReadOptions) -> pl.DataFrame:
    """Return pairs of a good and a bad answer to one prompt; rows without a partner are listed.

    Args:
        rows: with `prompt` and `_answer` as messages.
        label: column that says whether an answer is good, as KTO's data does.
        options: how pairs are made of several good and bad answers.
    """
    rows = rows.with_columns(_key=prompt_key(rows), _good=verdict_score(pl.col(label)))
    unknown_label = pl.format(_UNKNOWN_LABEL, pl.col(label).cast(pl.String))
    previous_errors = [ERROR] if ERROR in rows.columns else []
    speaker = pl.col("_answer").list.last().struct.field("role")
    no_answer = pl.format(_NO_ANSWER, speaker)
    wrong = pl.coalesce(
        *previous_errors,
        pl.when(pl.col("_good").is_null()).then(unknown_label),
        pl.when(speaker != "assistant").then(no_answer),
    )
    rows = rows.with_columns(wrong.alias(ERROR))
    malformed = rows.drop_nulls(ERROR).select(ROW, ERROR)
    rows = rows.filter(pl.col(ERROR).is_null()).drop(ERROR)
    answered = rows.filter(pl.col("_answer").list.len() > 0)
    groups = answered.group_by("_key", maintain_order=True).agg(
        pl.col(ROW).first(),
        pl.col(EXTRA, "prompt").first(),
        _rows=pl.col(ROW),
        _labels=pl.col("_good").n_unique(),
        _ranked=pl.struct(turns=pl.col("_answer"), score=pl.col("_good")),
    )
    with_both_labels = groups.filter(pl.col("_labels") > 1)
    rankings = with_both_labels.with_columns(list_to_extra("rows", "_rows")).drop(
        "_key", "_labels", "_rows"
    )
    # Labels differ by 1: two good answers make no pair.
    pairs = pairs_from_rankings(rankings, options.with_min_gap(0.5)).drop("strength")
    used = with_both_labels.select(pl.col("_rows").alias(ROW)).explode(ROW)
    listed = report_unused_rows(pairs, rows, used, _NO_PARTNER)
    options.count_note(_KTO_NOTE, len(rows) - len(used))
    return pl.concat([listed, malformed], how="diagonal")


def verdict_score(label: pl.Expr) -> pl.Expr:
    """Return 1.0 for a label of a good answer, 0.0 for a bad one, null for any other."""
    text = label.cast(pl.String).str.strip_chars().str.to_lowercase()
    text = text.str.replace_all(" ", "_").str.replace("-(up|down)$", "_${1}")
    return text.replace_strict(_VERDICTS, default=None, return_dtype=pl.Float64)


def split_prompt_and_answer(
    rows: pl.DataFrame,
    prompts: Sequence[str],
    answers: Sequence[str],
    conversations: Sequence[str],
) -> pl.DataFrame:
    """Return `prompt` and `_answer` as messages, from any of the forms.

    Args:
        rows: with the columns below and Alpaca's.
        prompts: columns of prompts; where all are null, Alpaca's columns give the prompt.
        answers: columns of answers.
        conversations: columns of conversations whose last turn is the answer; they go first.
    """

    def is_filled(name: str) -> bool:
        return rows[name].null_count() < len(rows)

    conversation_column = next(filter(is_filled, conversations), None)
    if conversation_column is None:
        answer = pl.coalesce(as_messages_column(rows, c, "assistant") for c in answers)
        prompt = pl.coalesce(as_messages_column(rows, c, "user") for c in prompts)
        if not any(map(is_filled, prompts)):
            return add_alpaca_prompt(rows).with_columns(_answer=answer)
    else:
        conversation = as_messages_column(rows, conversation_column, "user")
        prompt, answer = (
            conversation.list.head(conversation.list.len() - 1),
            conversation.list.tail(1),
        )
    return rows.with_columns(prompt=prepend_system_turn(rows, prompt), _answer=answer)
