"""OpenAI's comparisons: summaries (summarize_from_feedback) and answers (webgpt_comparisons)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import polars as pl

from curate.read.formats.base import (
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    as_turn,
    has_columns,
)
from curate.read.formats.slots import assign_winner, integer_column

_INFO = pl.Struct({"post": pl.String, "title": pl.String, "article": pl.String})
_SUMMARY = pl.Struct({"text": pl.String})
_QUESTION = pl.Struct({"full_text": pl.String})


class SummarizeFromFeedback(Format):
    """`info` (post or article, title), two `summaries` (text), `choice` (0 or 1), `worker`."""

    name = "summarize_from_feedback"
    summary = "OpenAI summarize_from_feedback comparisons: info, summaries, choice, worker"
    value_columns = ("choice", "worker")
    nested_columns: ClassVar[Mapping[str, pl.DataType]] = {
        "info": _INFO,
        "summaries": pl.List(_SUMMARY),
    }
    keep_in_extra = ("info", "choice")
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are summaries and a choice."""
        return has_columns(rows, "info", "summaries", "choice")

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return title and text as prompt, summaries by the choice, the worker as annotator."""
        info, summaries = pl.col("info"), pl.col("summaries")
        title = info.struct.field("title")
        body = pl.coalesce(info.struct.field("post"), info.struct.field("article"))
        headed = pl.concat_str([title, body], separator="\n\n", ignore_nulls=True)
        texts = [summaries.list.get(i, null_on_oob=True).struct.field("text") for i in (0, 1)]
        rows = rows.with_columns(
            prompt=as_turn(headed, "user"),
            _first=as_turn(texts[0], "assistant"),
            _second=as_turn(texts[1], "assistant"),
            annotator=pl.col("worker").cast(pl.String),
        )
        choice = integer_column("choice")
        winner = choice.replace_strict({0: 1, 1: 2}, default=None, return_dtype=pl.Int64)
        return assign_winner(rows, winner, "0 or 1")


class WebGPTComparisons(Format):
    """`question` (full_text), `answer_0`, `answer_1`, `score_0`, `score_1` (-1 to 1, opposite)."""

    name = "webgpt"
    side_suffixes = ("_0", "_1")
    summary = "OpenAI webgpt_comparisons: question, answer_0, answer_1, score_0, score_1"
    text_columns = ("answer_0", "answer_1")
    value_columns = ("score_0", "score_1")
    nested_columns: ClassVar[Mapping[str, pl.DataType]] = {"question": _QUESTION}
    keep_in_extra = ("question", "score_0", "score_1")
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether a question, both answers and both scores are there."""
        return has_columns(rows, "question", "answer_0", "answer_1", "score_0", "score_1")

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the answer of larger score as chosen; equal scores are a tie."""
        # Texts, in files without types.
        scores = [pl.col(f"score_{slot}").cast(pl.Float64, strict=False) for slot in (0, 1)]
        gap = scores[0] - scores[1]
        rows = rows.with_columns(
            prompt=as_turn(pl.col("question").struct.field("full_text"), "user"),
            _first=as_messages_column(rows, "answer_0", "assistant"),
            _second=as_messages_column(rows, "answer_1", "assistant"),
            strength=gap.abs().cast(pl.Float32),
        )
        winner = pl.when(gap > 0).then(1).when(gap < 0).then(2).when(gap == 0).then(0)
        return assign_winner(rows, winner, "numbers as scores")
