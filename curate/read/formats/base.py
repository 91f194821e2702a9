"""The contract of a format: which columns it reads and how they become pairs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import polars as pl

from curate.data.attachments import attachment_keys
from curate.data.renamed import warn_renamed
from curate.data.table import MESSAGES, PAIR_COLUMNS, messages_key, plain_message
from curate.read.column_names import SYSTEM
from curate.read.formats.ranking_config import RankingRule

ROW = "__row__"
"""Row number in the source file, counted from 1."""
EXTRA = "__extra__"
"""JSON text of the columns that the format does not place."""
ERROR = "__error__"
"""Why a row is not a pair, or null."""
NO_PAIR = "__no_pair__"
"""Why a sound row makes no pair (no vote was cast, say), or null; such rows are listed."""

_RENAMED = {
    "whole": "needs_all_rows",
    "answers": "side_suffixes",
    "own_messages": "holds_pair_messages",
    "answers_may_ask": "answers_may_start_with_user",
}
"""Declarations that formats of other packages may still make by the names of version 0.2."""

RowSample = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class ReadOptions:
    """How the rows of one dataset are read by their format.

    Attributes:
        ranking: how rankings become pairs, in formats that hold some.
        json_as_text: whether `json_columns` hold JSON texts instead of values.
        origin_columns: columns that name a pair's source and annotator, by `source` and
            `annotator`, where the format does not read them itself.
        row_notes: gets what the user should know, and of how many rows.
    """

    ranking: RankingRule = field(default_factory=RankingRule)
    json_as_text: bool = False
    origin_columns: Mapping[str, str] = field(default_factory=dict)
    row_notes: Counter[str] = field(default_factory=Counter)

    def count_note(self, text: str, rows: int) -> None:
        """Add a number of rows to a note for the user."""
        if rows:
            self.row_notes[text] += rows

    def with_min_gap(self, min_gap: float) -> ReadOptions:
        """Return the same options, but answers whose scores are nearer make no pair."""
        return replace(self, ranking=self.ranking.model_copy(update={"min_gap": min_gap}))


class Format(ABC):
    """Turns the rows of one family of data sets into pairs, a batch at a time.

    Text columns reach `convert` as plain text or as a list of {role, content} messages (ShareGPT's
    `from` / `value` and a single message are brought to that form by the source); value columns
    as they are. A missing column comes as nulls.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    text_columns: ClassVar[tuple[str, ...]] = ()
    value_columns: ClassVar[tuple[str, ...]] = ()
    nested_columns: ClassVar[Mapping[str, pl.DataType]] = {}
    """Columns of nested values and the type in which they reach `convert`; other fields are left
    out, and a row of another shape is malformed."""
    json_columns: ClassVar[tuple[str, ...]] = ()
    """Columns of any shape, which reach `convert` as JSON text."""
    media_columns: ClassVar[tuple[str, ...]] = ()
    """Columns of images, videos or audios that are answers, which reach `convert` as `MEDIA`."""
    keep_in_extra: ClassVar[tuple[str, ...]] = ()
    """Columns that are read and are also kept in `extra`, since a pair holds only a part."""
    scalars_are_text: ClassVar[bool] = False
    """Whether a number or bool in a text column is its text (else such a row is malformed)."""
    needs_all_rows: ClassVar[bool] = False
    """Whether a pair is made of several rows: `convert` then sees all rows of a source at once."""
    side_suffixes: tuple[str, str] | None = None
    """How names of columns differ between the two answers: exchanging all such columns turns a
    row's label round. None where a row holds more than one label."""
    answers_may_start_with_user: ClassVar[bool] = False
    """Whether an answer may begin with a turn of the user; elsewhere that is the prompt's."""
    holds_pair_messages: ClassVar[bool] = False
    """Whether messages are those of the pair table itself, with `more`."""
    draws_by_row: ClassVar[bool] = False
    """Whether row numbers decide which pairs are made, as in draws among equal scores: rows of
    several files are then never renumbered."""
    may_name_origins: ClassVar[bool] = True
    """Whether columns such as `source` and `annotator` name a pair's source and annotator, if the
    format does not read them itself."""
    answers_format: ClassVar[str | None] = None
    """The format that reads the answers of such rows one by one, if pairs need several rows."""
    single_answers: ClassVar[bool] = False
    """Whether rows hold one answer each: `rejected` is then null."""
    priority: ClassVar[int] = 0
    """Formats of higher priority are tried first in automatic detection."""

    def __init_subclass__(cls) -> None:
        """Take declarations by their old names, with a warning, for one release."""
        super().__init_subclass__()
        for old_name in _RENAMED.keys() & vars(cls).keys():
            warn_renamed(f"{cls.__name__}.{old_name}", _RENAMED[old_name])
            setattr(cls, _RENAMED[old_name], vars(cls)[old_name])

    def has_single_answers(self, rows: pl.DataFrame) -> bool:
        """Return whether the rows to convert hold one answer each."""
        return self.single_answers

    def columns(self) -> tuple[str, ...]:
        """Return all columns that the format reads."""
        columns = self.text_columns + self.value_columns
        return columns + tuple(self.nested_columns) + self.json_columns + self.media_columns

    def swapped_columns(self, columns: Sequence[str]) -> dict[str, str]:
        """Return the columns that belong to one answer, each with the other answer's column."""
        if self.side_suffixes is None:
            return {}
        first_suffix, second_suffix = self.side_suffixes
        swapped: dict[str, str] = {}
        for name in columns:
            counterpart = name.replace(first_suffix, second_suffix)
            if counterpart != name and counterpart in columns and name not in self.value_columns:
                swapped |= {name: counterpart, counterpart: name}
        return swapped

    @abstractmethod
    def matches(self, rows: RowSample) -> bool:
        """Return whether a sample of rows, as plain Python objects, is of this format."""

    @abstractmethod
    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return pair columns, `ROW`, `EXTRA` and `ERROR`; missing columns get their default."""


@dataclass(frozen=True)
class BoundFormat:
    """A format, and the options by which one dataset is read."""

    format: Format
    options: ReadOptions = field(default_factory=ReadOptions)

    @property
    def name(self) -> str:
        """Return the name of the format."""
        return self.format.name

    @property
    def value_columns(self) -> tuple[str, ...]:
        """Return the columns whose values are read as they are."""
        return (*self.format.value_columns, *self.options.origin_columns.values())

    def columns(self) -> tuple[str, ...]:
        """Return all columns that are read."""
        return (*self.format.columns(), *self.options.origin_columns.values())


def has_columns(rows: RowSample, *names: str) -> bool:
    """Return whether each of the columns occurs in the sample."""
    present = {key for row in rows for key in row}
    return all(name in present for name in names)


def share_of_rows(rows: RowSample, test: Any) -> float:
    """Return the share of the sample's rows for which `test(row)` holds."""
    return sum(bool(test(row)) for row in rows) / max(len(rows), 1)


def as_turn(column: str | pl.Expr, role: str) -> pl.Expr:
    """Return a text column as a list of one message by `role`; a null text gives a null list."""
    text = pl.col(column) if isinstance(column, str) else column
    turn = pl.concat_list(plain_message(role, text))
    return pl.when(text.is_not_null()).then(turn).cast(MESSAGES)


def as_messages_column(rows: pl.DataFrame, column: str, role: str) -> pl.Expr:
    """Return the column as messages, whether it holds text (one message by `role`) or messages."""
    if rows.schema[column] == MESSAGES:
        return pl.col(column)
    return as_turn(column, role)


def prepend_system_turn(
    rows: pl.DataFrame, prompt: pl.Expr, columns: Sequence[str] = SYSTEM
) -> pl.Expr:
    """Return the prompt behind the row's system text, from whichever of the columns holds one.

    A prompt that begins with that very text keeps it once.
    """
    system_turns = [
        as_messages_column(rows, name, "system") for name in columns if name in rows.columns
    ]
    text = [turn.list.first().struct.field("content").fill_null("") for turn in system_turns]
    filled = [pl.when(t != "").then(turn) for turn, t in zip(system_turns, text, strict=True)]
    system = pl.coalesce(*filled) if filled else pl.lit(None, dtype=MESSAGES)
    prompt_turns = prompt.fill_null(pl.lit([], dtype=MESSAGES))
    prompt_start, system_start = (turns_.list.first().struct for turns_ in (prompt, system))
    is_repeated = (prompt_start.field("role") == "system") & (
        prompt_start.field("content") == system_start.field("content")
    )
    # Some files have the system text both in a column and as the first message.
    is_missing = system.is_not_null() & ~is_repeated.fill_null(False)
    return pl.when(is_missing).then(pl.concat_list(system, prompt_turns)).otherwise(prompt)


def prompt_key(rows: pl.DataFrame) -> pl.Expr:
    """Return a key of the prompt together with the tools and media of its row."""
    keys = attachment_keys(rows)
    return messages_key("prompt") + (pl.lit("") if keys is None else pl.lit(keys))


def report_unused_rows(
    pairs: pl.DataFrame, rows: pl.DataFrame, used: pl.DataFrame, reason: str
) -> pl.DataFrame:
    """Return the pairs and, with `reason`, each row that is not in `used`, sorted by `ROW`."""
    unused_rows = rows.join(used, on=ROW, how="anti").select(ROW, pl.lit(reason).alias(NO_PAIR))
    return pl.concat([pairs, unused_rows], how="diagonal").sort(ROW, maintain_order=True)


def complete_pair_columns(
    rows: pl.DataFrame, source: str, single_answers: bool = False
) -> pl.DataFrame:
    """Fill in what a format left out, and find rows that lack an answer.

    Args:
        rows: what `convert` returned.
        source: the name for rows whose data names no source.
        single_answers: whether no row has a rejected answer.

    Returns:
        Pair columns in order and type, then `ROW`, `ERROR` and `NO_PAIR`.
    """
    answers = ("chosen",) if single_answers else ("chosen", "rejected")
    missing = [c for c in PAIR_COLUMNS if c not in rows.columns]
    rows = rows.with_columns(pl.lit(None, dtype=PAIR_COLUMNS[c]).alias(c) for c in missing)
    for reason in (ERROR, NO_PAIR):
        if reason not in rows.columns:
            rows = rows.with_columns(pl.lit(None, dtype=pl.String).alias(reason))
    rows = rows.with_columns(
        pl.col("is_tie").fill_null(False),
        pl.col("source").fill_null(pl.lit(source)),
        pl.col(EXTRA).alias("extra") if EXTRA in rows.columns else pl.col("extra"),
        pl.col("prompt").fill_null(pl.lit([], dtype=MESSAGES)),
        pl.coalesce(ERROR, *map(_missing_answer, answers)).alias(ERROR),
    ).with_columns(pl.when(pl.col(NO_PAIR).is_null()).then(ERROR).alias(ERROR))
    return rows.select(
        *(pl.col(c).cast(t) for c, t in PAIR_COLUMNS.items()), pl.col(ROW, ERROR, NO_PAIR)
    )


def _missing_answer(column: str) -> pl.Expr:
    # An empty text is an answer (a model that said nothing); a null or an empty list is none.
    return pl.when(pl.col(column).list.len().fill_null(0) == 0).then(
        pl.lit(f"the {column} answer is missing; expected text or a list of messages")
    )
