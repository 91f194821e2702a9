"""Any dataset, by a mapping of its columns in the configuration."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import polars as pl
from pydantic import ConfigDict, Field, model_validator

from curate.data.strict_model import StrictModel
from curate.data.table import MESSAGES
from curate.errors import CurateError
from curate.read.formats.base import (
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    prepend_system_turn,
    report_unused_rows,
)
from curate.read.formats.mapped_rankings import pairs_from_answer_lists
from curate.read.formats.nested_fields import (
    NestedColumns,
    split_path,
    with_nested_scalars,
    with_nested_texts,
)
from curate.read.formats.scored_answers import pairs_from_scored_rows
from curate.read.formats.slots import assign_winner, label_text, normalise_label, unpivot_votes
from curate.read.formats.unpaired import pairs_from_judged_rows

Label = str | int | float | bool
_TEXT_KEYS = ("prompt", "system", "chosen", "rejected", "first", "second", "answer")
_SIDE_KEYS = ("first_score", "second_score", "first_model", "second_model")
_ORIGIN_KEYS = ("annotator", "strength", "source")
_VALUE_KEYS = ("label", "score", "rank", *_SIDE_KEYS, *_ORIGIN_KEYS)
_LIST_KEYS = ("responses", "scores", "ranks")
_ROLES = {"prompt": "user", "system": "system"}
"""Who speaks a nested text; other texts are answers."""
_ZEROS_NOTE = (
    "labels are 0, which counts as a tie, and none is 2: if 0 says that the second answer won, map "
    "second_wins to 0"
)


class ColumnMapping(StrictModel):
    """Which column holds what: `chosen` and `rejected`, or `first`, `second` and who won.

    `label` says who won, or `first_score` and `second_score` do: the greater score wins. `labels`
    are the columns of several votes, each of which makes a pair. Or `responses` is a list of
    answers, and `scores` or `ranks` a list of numbers. Or `answer` is the one answer of each row:
    rows of one prompt make pairs by their `score` or `rank`, or by a `label` that says whether an
    answer is good, and single answers without these. A column may be a field of a nested one:
    `a.b`, `a[0].b`, or `a[].b` for that field of each item.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str | None = Field(None, description="Column of the prompt, text or messages.")
    system: str | None = Field(None, description="Column of a system text before the prompt.")
    chosen: str | None = Field(None, description="Column of the preferred answer.")
    rejected: str | None = Field(None, description="Column of the other answer.")
    answer: str | None = Field(None, description="Column of the answer, where a row has one.")
    score: str | None = Field(None, description="Column of its score: larger is better.")
    rank: str | None = Field(None, description="Column of its rank: 1 is the best.")
    first: str | None = Field(None, description="Column of the answer in the first slot.")
    second: str | None = Field(None, description="Column of the answer in the second slot.")
    label: str | None = Field(None, description="Column that says which slot won.")
    labels: list[str] | None = Field(
        None, description="Columns of several votes, each of which makes a pair."
    )
    first_wins: list[Label] = Field([1, "1"], description="Labels by which the first slot won.")
    second_wins: list[Label] = Field([2, "2"], description="Labels by which the second slot won.")
    tie: list[Label] = Field([0, "0", "tie"], description="Labels that say tie.")
    first_model: str | None = Field(
        None, description="Column that names the first answer's model, where the label is a name."
    )
    second_model: str | None = Field(None, description="The same of the second answer.")
    first_score: str | None = Field(None, description="Column of the first answer's score.")
    second_score: str | None = Field(None, description="Column of the second answer's score.")
    responses: str | None = Field(None, description="Column of a list of answers.")
    scores: str | None = Field(None, description="Column of their scores: larger is better.")
    ranks: str | None = Field(None, description="Column of their ranks: 1 is the best.")
    annotator: str | None = Field(None, description="Column that names who voted.")
    strength: str | None = Field(None, description="Column of the strength of the preference.")
    source: str | None = Field(None, description="Column that names the subset.")
    roles: dict[str, str] = Field(
        default_factory=dict, description="Roles by the names of speakers: {Patient: user}."
    )

    @model_validator(mode="after")
    def _check_form(self) -> ColumnMapping:
        pair = self.chosen is not None and self.rejected is not None
        scored = None not in (self.first_score, self.second_score)
        says_who_won = (self.label is not None, bool(self.labels), scored)
        slots = None not in (self.first, self.second) and sum(says_who_won) == 1
        lists = self.responses is not None and None in (self.scores, self.ranks)
        values = (self.score, self.rank, self.label, self.labels, self.first_score)
        has_one_value = sum(bool(value) for value in values) <= 1
        answers = self.answer is not None and has_one_value and not (self.labels or scored)
        if sum((pair, slots, lists, answers)) != 1 or (
            (self.score or self.rank) and not self.answer
        ):
            raise ValueError(
                "map either chosen and rejected, or first, second and label, or first, second, "
                "first_score and second_score, or first, second and labels, or responses and "
                "scores or ranks, or answer, which may have a score, a rank or a label"
            )
        if self.labels and self.annotator is not None:
            raise ValueError("each column of labels is an annotator: leave out annotator")
        if (self.first_model is None) != (self.second_model is None):
            raise ValueError("map both first_model and second_model")
        self._check_repeated()
        self.slots()
        return self

    def _check_repeated(self) -> None:
        """Refuse a column that is mapped to two texts, or to a text and to a value."""
        mapped = {key: getattr(self, key) for key in _TEXT_KEYS if getattr(self, key) is not None}
        keys = {column: key for key, column in mapped.items()}
        values = [key for key in _VALUE_KEYS if getattr(self, key) in keys]
        repeated = [key for key, column in mapped.items() if keys[column] != key] + values
        if repeated:
            column = getattr(self, repeated[0])
            raise ValueError(f"column {column!r} is mapped twice: {repeated[0]} and {keys[column]}")

    def slots(self) -> dict[str, int]:
        """Return the winning slot by label, as text: 1, 2, or 0 for a tie.

        What is given goes before the defaults: 0 is a tie unless it is given as second_wins.
        """
        table: dict[str, int] = {}
        named = {"first_wins": 1, "second_wins": 2, "tie": 0}
        # What the user gave goes first: a default must not claim a label of theirs.
        for key in sorted(named, key=lambda k: k not in self.model_fields_set):
            for text in map(normalise_label, getattr(self, key)):
                if key in self.model_fields_set and table.get(text, named[key]) != named[key]:
                    raise ValueError(f"the label {text!r} is given twice, with different meanings")
                table.setdefault(text, named[key])
        return table


def _mapped(mapping: ColumnMapping, keys: Sequence[str]) -> list[str]:
    """Return the columns that these keys of a mapping name."""
    return [column for key in keys if (column := getattr(mapping, key))]


def _without(columns: Sequence[str], excluded: Sequence[str]) -> tuple[str, ...]:
    return tuple(column for column in columns if column not in excluded)


class MappedColumns(Format):
    """Pairs by a `ColumnMapping`; never chosen automatically.

    Args:
        mapping: what the columns hold.
        present: columns of the data; a name that is none of them may be the path of a field.
    """

    name = "columns"
    summary = "any columns, mapped in the configuration under input.columns"
    priority = -1

    def __init__(
        self, mapping: ColumnMapping | None = None, present: Collection[str] = frozenset()
    ) -> None:
        if mapping is None:
            raise CurateError(
                "format 'columns' needs a mapping",
                where="input.columns",
                expected="{prompt: ..., chosen: ..., rejected: ...}",
            )
        self.mapping = mapping
        self._set_columns(present)
        m = mapping
        first, second = m.chosen or m.first, m.rejected or m.second
        if first and second:
            self.side_suffixes = (first, second)
        is_ranked = m.answer is not None and bool(m.score or m.rank or m.label)
        self.needs_all_rows = is_ranked  # type: ignore[misc]
        self.draws_by_row = is_ranked or m.responses is not None  # type: ignore[misc]
        self.single_answers = m.answer is not None and not is_ranked  # type: ignore[misc]

    def _set_columns(self, present: Collection[str]) -> None:
        """Set the columns that are read."""
        m = self.mapping
        labels = (
            _mapped(m, ("label", "score", "rank")) + list(m.labels or ()) + _mapped(m, _SIDE_KEYS)
        )
        texts = _mapped(m, _TEXT_KEYS)
        values = labels + _mapped(m, _ORIGIN_KEYS)
        nested = [c for c in (*texts, *values) if c not in present and split_path(c)[1]]
        self._nested_texts = {
            column: _ROLES.get(key, "assistant")
            for key in _TEXT_KEYS
            if (column := getattr(m, key)) in nested
        }
        self._nested_values = [c for c in values if c in nested]
        roots = [split_path(c)[0] for c in nested]
        list_roots = [split_path(c)[0] for c in _mapped(m, _LIST_KEYS)]
        self.json_columns = tuple(dict.fromkeys(roots + list_roots))  # type: ignore[misc]
        self.text_columns = _without(texts, nested)  # type: ignore[misc]
        self.value_columns = _without(values, nested)  # type: ignore[misc]
        # What a nested column holds beside the mapped fields is not lost.
        extra_names = (*roots, *_without(labels, nested))
        self.keep_in_extra = tuple(dict.fromkeys(extra_names))  # type: ignore[misc]

    def matches(self, rows: RowSample) -> bool:
        """Return whether every mapped column occurs."""
        present = {key for row in rows for key in row}
        return set(MappedColumns(self.mapping, present).columns()) <= present

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return pairs by the mapping."""
        m = self.mapping
        nested = NestedColumns(rows)
        for column, role in self._nested_texts.items():
            rows = with_nested_texts(rows, nested, column, role)
        rows = self._add_prompt(with_nested_scalars(rows, nested, self._nested_values))
        if m.responses:
            pairs = pairs_from_answer_lists(rows, nested, options, m.responses, m.scores, m.ranks)
        elif m.answer:
            pairs = self._convert_answers(rows, m.answer, options)
        elif m.chosen and m.rejected:
            chosen, rejected = (
                as_messages_column(rows, c, "assistant") for c in (m.chosen, m.rejected)
            )
            pairs = rows.with_columns(chosen=chosen, rejected=rejected)
        else:
            pairs = self._convert_slots(rows, str(m.first), str(m.second), options)
        sides = [c for c in ("prompt", "chosen", "rejected") if c in pairs.columns and m.roles]
        return pairs.with_columns(_rename_roles(c, m.roles) for c in sides)

    def _convert_answers(
        self, rows: pl.DataFrame, answer: str, options: ReadOptions
    ) -> pl.DataFrame:
        """Return rows of one answer: as pairs by score or label, else as single answers."""
        m = self.mapping
        answers = as_messages_column(rows, answer, "assistant")
        if m.score or m.rank:
            number = pl.col(str(m.score or m.rank)).cast(pl.Float64, strict=False)
            score = number if m.score else -number
            return pairs_from_scored_rows(rows.with_columns(_answer=answers, _score=score), options)
        if m.label:
            rows = rows.with_columns(label_text(m.label).alias(m.label), _answer=answers)
            return pairs_from_judged_rows(rows, m.label, options)
        return rows.with_columns(chosen=answers, rejected=pl.lit(None, dtype=MESSAGES))

    def _add_prompt(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Add the prompt, and what the mapping names beside texts and labels."""
        m = self.mapping
        prompt = (
            as_messages_column(rows, m.prompt, "user") if m.prompt else pl.lit(None, dtype=MESSAGES)
        )
        if m.system:
            prompt = prepend_system_turn(rows, prompt, (m.system,))
        text = {"annotator": m.annotator, "source": m.source}
        named = {k: pl.col(c).cast(pl.String) for k, c in text.items() if c}
        if m.strength:
            named["strength"] = pl.col(m.strength).cast(pl.Float32, strict=False)
        return rows.with_columns(prompt=prompt, **named)

    def _convert_slots(
        self, rows: pl.DataFrame, first: str, second: str, options: ReadOptions
    ) -> pl.DataFrame:
        """Return pairs of two answers of equal standing, by labels or by scores."""
        m = self.mapping
        slotted = rows.with_columns(
            _first=as_messages_column(rows, first, "assistant"),
            _second=as_messages_column(rows, second, "assistant"),
        )
        if m.first_score and m.second_score:
            return self._by_score(slotted, m.first_score, m.second_score)
        if m.labels:
            return self._by_votes(slotted, m.labels, options)
        label = str(m.label)
        self._note_zeros(rows.select(text=label_text(label))["text"], options)
        return assign_winner(
            slotted, self._winner_by_label(label), self._describe_labels(), pl.col(label)
        )

    def _by_votes(
        self, rows: pl.DataFrame, labels: Sequence[str], options: ReadOptions
    ) -> pl.DataFrame:
        """Return a pair for each vote, with the column of the vote as the annotator."""
        texts = rows.with_columns(label_text(name).alias(name) for name in labels)
        votes = unpivot_votes(texts, labels, "annotator")
        self._note_zeros(votes["_vote"], options)
        pairs = assign_winner(
            votes, self._winner_by_label("_vote"), self._describe_labels(), pl.col("_vote")
        )
        return report_unused_rows(pairs, rows, votes, "no vote was cast")

    def _by_score(self, rows: pl.DataFrame, first_column: str, second_column: str) -> pl.DataFrame:
        """Return pairs whose chosen answer has the greater score; equal scores are a tie."""
        first_score, second_score = (
            pl.col(c).cast(pl.Float64, strict=False) for c in (first_column, second_column)
        )
        gap = pl.when((first_score - second_score).is_finite()).then(first_score - second_score)
        if self.mapping.strength is None:
            rows = rows.with_columns(strength=gap.abs().cast(pl.Float32))
        winner = pl.when(gap > 0).then(1).when(gap < 0).then(2).when(gap == 0).then(0)
        scores = pl.format(
            "{} and {}",
            *(pl.col(c).cast(pl.String).fill_null("null") for c in (first_column, second_column)),
        )
        return assign_winner(rows, winner, "two numbers", scores)

    def _note_zeros(self, labels: pl.Series, options: ReadOptions) -> None:
        """Count the ties of labels that are 0 and 1, which mostly mean second and first."""
        mapped_keys = {"second_wins", "tie"} & self.mapping.model_fields_set
        if not mapped_keys and not (labels == "2").any() and (labels == "1").any():
            options.count_note(_ZEROS_NOTE, int((labels == "0").sum()))

    def _winner_by_label(self, label: str) -> pl.Expr:
        text = label_text(label)
        winner = text.replace_strict(self.mapping.slots(), default=None, return_dtype=pl.Int64)
        m = self.mapping
        if m.first_model and m.second_model:
            first_model, second_model = (label_text(c) for c in (m.first_model, m.second_model))
            # For two answers of one model its name does not say which won.
            named = pl.when((text == first_model) & (text != second_model)).then(1)
            winner = (
                named.when((text == second_model) & (text != first_model)).then(2).otherwise(winner)
            )
        return winner

    def _describe_labels(self) -> str:
        m = self.mapping
        labels_by_key = {"first_wins": m.first_wins, "second_wins": m.second_wins, "tie": m.tie}
        meanings = "; ".join(
            f"{key}: {_list_labels(labels)}" for key, labels in labels_by_key.items()
        )
        return f"{meanings}; say what it means, such as first_wins: ['A>B']"


def _list_labels(labels: list[Label]) -> str:
    return ", ".join(dict.fromkeys(normalise_label(v) for v in labels)) or "(none)"


def _rename_roles(column: str, roles: Mapping[str, str]) -> pl.Expr:
    """Return messages with the roles that a mapping names."""
    role = pl.field("role").replace(roles)
    return pl.col(column).list.eval(pl.element().struct.with_fields(role.alias("role")))
