"""Steps, a format and an export as packages outside would bring them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import polars as pl

from curate import Column, Context, Parameters, Scope, Scorer
from curate.read.formats import (
    EXTRA,
    ROW,
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    has_columns,
)
from curate.scoring import messages_text
from curate.steps.evidence_params import EvidenceParameters
from curate.write.exports import Export, ShardSchema, extra_output_columns


class Words(Scorer[Parameters]):
    """Words of the preferred answer."""

    name = "words"
    summary = "words of the preferred answer"
    Params = Parameters

    def columns(self) -> tuple[Column, ...]:
        return (Column("count", "words", "int"),)

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        return pairs.select(count=messages_text("chosen").str.count_matches(r"\S+"))


class SlowParams(Parameters):
    """Parameters of `Slow`."""

    folder: str


class Slow(Scorer[SlowParams]):
    """Takes its time, and leaves a file named by its process."""

    name = "slow"
    summary = "for tests of engines"
    scope = Scope.ROW
    Params = SlowParams

    def columns(self) -> tuple[Column, ...]:
        return (Column("characters", "of the preferred answer", "int"),)

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        (Path(self.params.folder) / f"{os.getpid()}.pid").touch()
        time.sleep(0.1)
        context.facts["rows"] = len(pairs)
        return pairs.select(characters=messages_text("chosen").str.len_chars().cast(pl.Int64))


class Fused(Scorer[EvidenceParameters]):
    """The sum of all margins that it is given, and the verdicts."""

    name = "fused"
    summary = "for tests of engines"
    Params = EvidenceParameters

    def columns(self) -> tuple[Column, ...]:
        return (Column("sum", "of all margins"), Column("judged", "verdicts", "int"))

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        evidence = context.evidence
        total = sum((source.margin for source in evidence.sources), np.zeros(len(pairs)))
        return pl.DataFrame({"sum": total, "judged": evidence.verdicts}).cast({"judged": pl.Int64})


class QuizFormat(Format):
    """`ask`, and a `good` and a `bad` answer."""

    name = "quiz"
    summary = "ask, good, bad"
    text_columns = ("ask", "good", "bad")

    def matches(self, rows: RowSample) -> bool:
        return has_columns(rows, "ask", "good", "bad")

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        return rows.select(
            as_messages_column(rows, "ask", "user").alias("prompt"),
            as_messages_column(rows, "good", "assistant").alias("chosen"),
            as_messages_column(rows, "bad", "assistant").alias("rejected"),
            ROW,
            EXTRA,
        )


class QuestionsExport(Export):
    """The prompt as `question`, the chosen answer as `right`."""

    name = "questions"
    summary = "question and the right answer"
    reserved = ("question", "right")

    def convert(self, pairs: pl.DataFrame, schema: ShardSchema) -> pl.DataFrame:
        return pairs.select(
            messages_text("prompt").alias("question"),
            messages_text("chosen").alias("right"),
            "pair_id",
            *extra_output_columns(pairs, schema),
        )
