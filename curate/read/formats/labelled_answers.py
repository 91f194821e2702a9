"""Two answers of equal standing and a label that says who won, under the usual names."""

from __future__ import annotations

from math import isnan
from typing import ClassVar

import polars as pl

from curate.read.column_names import SYSTEM
from curate.read.embedded_json import parse_embedded_messages
from curate.read.formats.base import (
    NO_PAIR,
    ROW,
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    has_columns,
    prepend_system_turn,
)
from curate.read.formats.llamafactory import ALPACA, HISTORY, add_alpaca_prompt
from curate.read.formats.slots import assign_winner, label_text, normalise_label
from curate.read.messages import is_message

_STEMS = ("response", "answer", "completion", "output", "orig_response")
_SIDES = (("_a", "_b"), ("_A", "_B"), ("_1", "_2"))
_SLOTS = tuple((stem + a, stem + b) for stem in _STEMS for a, b in _SIDES)
# Prometheus rewrites the prompt and keeps what was asked: its names go first.
_PROMPT_COLUMNS = ("orig_instruction", "prompt", "question", "instruction")
_LABELS = ("orig_preference", "winner", "preference", "preferred", "label")
_CONVERSATIONS = ("conversations", "conversation", "context", "messages")
_MAYBE_PROMPT = ("input", "history", *_CONVERSATIONS)
"""Columns that may belong to the prompt: where one stands beside another, the mapping is the user's
to give."""
_WINNERS = {
    **dict.fromkeys(("a", "model_a", "a>b", "a>>b", "[[a]]", "1", "1.0"), 1),
    **dict.fromkeys((f"{stem}_a" for stem in _STEMS), 1),
    **dict.fromkeys(("b", "model_b", "b>a", "b>>a", "[[b]]", "2", "2.0"), 2),
    **dict.fromkeys((f"{stem}_b" for stem in _STEMS), 2),
    **dict.fromkeys(("tie", "a=b", "both_bad", "tie (bothbad)", "[[c]]"), 0),
}
_NO_VOTE = "no vote was cast"
_NUMBERS = ("preference", "label")
_FIRST, _MIDDLE, _SECOND = 1.0, 1.5, 2.0


class LabelledAnswers(Format):
    """A prompt, two answers (`response_a`, `response_b` and the like) and who won.

    As ScalerLab/JudgeBench (`label`: A>B), prometheus-eval/Preference-Collection
    (`orig_preference`: A), lmarena-ai's PPE (`winner`: model_a, of `response_1` and `response_2`)
    and zhiqings/LLaVA-Human-Preference-10K, whose prompt is a conversation. Only where every label
    of the sample is known: whom a 0 means, nothing says.
    """

    name = "labelled_answers"
    summary = "prompt, response_a, response_b and winner, preference or label: A, B, tie, A>B, ..."
    text_columns = (
        *_PROMPT_COLUMNS,
        *_CONVERSATIONS,
        *SYSTEM,
        *(name for two in _SLOTS for name in two),
    )
    value_columns = _LABELS
    keep_in_extra = value_columns
    priority = 2

    def matches(self, rows: RowSample) -> bool:
        """Return whether one prompt, two answers and one label are there, and labels are known."""
        label, prompts, ambiguous_columns = (
            [name for name in names if has_columns(rows, name)]
            for names in (_LABELS, _PROMPT_COLUMNS, _MAYBE_PROMPT)
        )
        # An empty column, such as Alpaca's `input`, is no part of a prompt.
        ambiguous_columns = [n for n in ambiguous_columns if any(row.get(n) for row in rows)]
        if "orig_instruction" in prompts:
            prompts, label, ambiguous_columns = prompts[:1], label[:1], []
        answer_pairs = sum(has_columns(rows, *names) for names in _SLOTS)
        if not prompts and len(ambiguous_columns) == 1:
            prompts = [name for name in ambiguous_columns if _are_conversations(rows, name)]
        if set(ambiguous_columns) - set(prompts):
            return False
        if not len(label) == len(prompts) == answer_pairs == 1:
            return False
        column = label[0]
        label_texts = {_normalise(row[column]) for row in rows if row.get(column) is not None}
        return bool(label_texts) and label_texts <= _WINNERS.keys()

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the winner as chosen; a row without a label is listed."""
        label = pl.coalesce(label_text(name) for name in _LABELS)
        rows = rows.with_columns(_label=label)
        names = (*_PROMPT_COLUMNS, *_CONVERSATIONS)
        question = pl.coalesce(as_messages_column(rows, name, "user") for name in names)
        first_answers, second_answers = zip(*_SLOTS, strict=True)
        normalised = pl.col("_label").str.strip_chars().str.to_lowercase()
        winner = normalised.replace_strict(_WINNERS, default=None, return_dtype=pl.Int64)
        return _assign_labelled_winner(
            rows.with_columns(
                prompt=prepend_system_turn(rows, question),
                _first=pl.coalesce(
                    as_messages_column(rows, name, "assistant") for name in first_answers
                ),
                _second=pl.coalesce(
                    as_messages_column(rows, name, "assistant") for name in second_answers
                ),
            ),
            winner,
            "A or B, 1 or 2, A>B or B>A, model_a or model_b, or tie",
        )


class AlpacaFarm(Format):
    """`instruction`, `input`, `output_1`, `output_2` and `preference`: 1, 2, or between the two.

    As tatsu-lab/alpaca_farm and the annotations of AlpacaEval, where 1.5 and 0 are ties and the
    strength of a preference is its distance from 1.5, times two (0 to 1). NCSOFT/offsetbias calls
    the number `label`, where a 0 would not say whom it means.
    """

    name = "alpaca_farm"
    side_suffixes = ("output_1", "output_2")
    summary = "AlpacaFarm and AlpacaEval: instruction, input, output_1, output_2, preference"
    text_columns = (*ALPACA, "output_1", "output_2")
    json_columns: ClassVar[tuple[str, ...]] = (HISTORY,)
    value_columns = (*_NUMBERS, "annotator")
    keep_in_extra = ("instruction", "input", *_NUMBERS)
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are an instruction, two outputs and a number from 1 to 2."""
        label_columns = [name for name in _NUMBERS if has_columns(rows, name)]
        if not has_columns(rows, "instruction", "output_1", "output_2") or len(label_columns) != 1:
            return False
        numbers = [
            float(row[label_columns[0]]) for row in rows if row.get(label_columns[0]) is not None
        ]
        tie = {0.0} if label_columns[0] == "preference" else set[float]()
        in_range = [
            value in tie or _FIRST <= value <= _SECOND for value in numbers if not isnan(value)
        ]
        return bool(in_range) and all(in_range)

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the nearer output as chosen; a row without a preference is listed."""
        label = pl.coalesce(pl.col(name).cast(pl.String) for name in _NUMBERS)
        value = label.cast(pl.Float64, strict=False)
        # Whole numbers say which answer is better, not by how much.
        graded = ((value - _MIDDLE).abs() < _SECOND - _MIDDLE).any()
        strength = pl.when(graded & (value >= _FIRST)).then(2 * (value - _MIDDLE).abs())
        rows = add_alpaca_prompt(rows).with_columns(
            _label=label,
            _first=as_messages_column(rows, "output_1", "assistant"),
            _second=as_messages_column(rows, "output_2", "assistant"),
            annotator=pl.col("annotator").cast(pl.String),
            strength=strength.cast(pl.Float32),
        )
        winner = (
            pl.when((value == 0) | (value == _MIDDLE))
            .then(0)
            .when(value.is_between(_FIRST, _MIDDLE))
            .then(1)
            .when(value.is_between(_MIDDLE, _SECOND))
            .then(2)
        )
        return _assign_labelled_winner(rows, winner, "a number from 1 to 2")


def _assign_labelled_winner(rows: pl.DataFrame, winner: pl.Expr, expected: str) -> pl.DataFrame:
    """Assign `_first` and `_second` by the winner, and list rows without a `_label`."""
    voted = pl.col("_label").is_not_null() & (pl.col("_label") != "NaN")
    without_vote = rows.filter(~voted).select(ROW, pl.lit(_NO_VOTE).alias(NO_PAIR))
    placed = assign_winner(rows.filter(voted), winner, expected, pl.col("_label"))
    return pl.concat([placed, without_vote], how="diagonal").sort(ROW)


def _are_conversations(rows: RowSample, column: str) -> bool:
    """Return whether a column holds lists of messages; a text may be only a part of the prompt."""
    values = [parse_embedded_messages(row[column]) for row in rows if row.get(column) is not None]
    listed = [isinstance(value, list) and all(map(is_message, value)) for value in values]
    return bool(listed) and all(listed)


def _normalise(value: object) -> str:
    return normalise_label(value).strip().lower()
