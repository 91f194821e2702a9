"""Guesses which column of an unknown file holds what, for the user to check: never used as is."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from curate.data.answer_scores import SCORE_WORDS
from curate.read.answer_guess import guess_single_answer
from curate.read.column_names import (
    SIDE_WORDS,
    SYSTEM,
    find_column,
    find_side_columns,
    split_name,
    split_name_words,
)
from curate.read.label_guess import LabelGuess, guess_label, guess_votes
from curate.read.nested_guess import (
    guess_answer_lists,
    guess_nested_answers,
    holds_whole_conversations,
    with_paths,
)

if TYPE_CHECKING:  # the formats import this module, for names of prompts
    from curate.read.formats.base import RowSample

_PROMPT_WORDS = (
    "prompt",
    "question",
    "instruction",
    "query",
    "problem",
    "context",
    "input",
    "inputs",
    "task",
)
_CONVERSATION_WORDS = (
    "conversation", "dialogue", "dialog", "history", "messages", "user", "post", "article",
    "prompts", "text",
)  # fmt: skip
_CHOSEN_WORDS = (
    "chosen",
    "preferred",
    "accepted",
    "winner",
    "better",
    "good",
    "positive",
    "pos",
    *("win", "winning", "correct", "right"),
)
_REJECTED_WORDS = (
    *("rejected", "dispreferred", "loser", "worse", "bad", "negative", "neg", "lose"),
    *("losing", "incorrect", "wrong"),
)
_RANK_WORDS = (("w", "l"), ("best", "worst"), ("high", "low"), ("up", "down"), ("plus", "minus"))
_MAPPING_ORDER = (
    "system", "prompt", "chosen", "rejected", "first", "second", "label",
    "first_model", "second_model", "first_score", "second_score", "responses", "scores", "ranks",
    "answer", "score", "rank",
)  # fmt: skip
_VALUE_WORDS = {
    "annotator": ("annotator", "worker", "rater", "labeler", "labeller", "judge", "user_id"),
    "strength": ("strength", "margin", "confidence", "degree", "score_diff"),
    "source": ("source", "dataset", "subset", "category", "domain"),
}
_NO_TEXT_WORDS = {
    *("model", "models", "id", "uuid"),
    *("feedback", "critique", "rationale", "explanation", "comment", "comments"),
}


@dataclass
class GuessedMapping:
    """A guessed mapping of columns.

    Attributes:
        columns: keys of `ColumnMapping` and the columns that seem to hold them.
        labels: keys `first_wins`, `second_wins`, `tie` and the label's values that seem to mean so.
        label_counts: values of the label column, with how often each occurs in the sample.
        unsure_keys: keys that are guessed only from names; `label` if its values are guessed.
        vote_columns: columns of several votes, where there is no single label.
        remaining_columns: columns that go to `extra`.
    """

    columns: dict[str, str] = field(default_factory=dict)
    labels: dict[str, list[object]] = field(default_factory=dict)
    label_counts: dict[object, int] = field(default_factory=dict)
    unsure_keys: set[str] = field(default_factory=set)
    vote_columns: list[str] = field(default_factory=list)
    remaining_columns: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether the guess is enough for a mapping."""
        has_pair = {"chosen", "rejected"} <= self.columns.keys()
        has_label = "label" in self.columns or bool(self.vote_columns)
        has_slots = {"first", "second"} <= self.columns.keys() and has_label
        has_winner = bool(self.labels.get("first_wins")) or "first_model" in self.columns
        has_lists = {"first_score", "responses", "answer"} & self.columns.keys()
        return has_pair or (has_slots and has_winner) or bool(has_lists)

    def pair_columns(self) -> dict[str, str]:
        """Return the columns of a pair and of its label, in the order of a mapping."""
        return {key: self.columns[key] for key in _MAPPING_ORDER if key in self.columns}

    def as_mapping(self) -> dict[str, str | list[object]]:
        """Return the keys of `ColumnMapping`: columns of a pair and, for slots, the labels."""
        votes: dict[str, str | list[object]] = {"labels": [*self.vote_columns]}
        label_values = {key: values for key, values in self.labels.items() if values}
        return {**self.pair_columns(), **(votes if self.vote_columns else {}), **label_values}

    def as_option(self) -> str:
        """Return the value of --columns."""
        return ",".join(
            f"{key}={value if isinstance(value, str) else '|'.join(map(str, value))}"
            for key, value in self.as_mapping().items()
        )


def prompt_column(rows: RowSample) -> str | None:
    """Return the column beside `chosen` and `rejected` that holds the prompt, by its name."""
    names = dict.fromkeys(key for row in rows for key in row)
    texts = [n for n in names if n not in ("chosen", "rejected") and _is_text_column(rows, n)]
    return find_column(texts, (*_PROMPT_WORDS, *_CONVERSATION_WORDS))


def guess_columns(rows: RowSample) -> GuessedMapping:
    """Return a mapping of the columns of a sample, guessed by their names and values.

    Where the columns themselves are not enough, fields of objects are guessed by their paths.
    """
    guess = _guess_named_columns(rows)
    if guess.is_complete and "answer" not in guess.columns:
        return guess
    nested = _guess_named_columns([with_paths(row) for row in rows])
    has_all = nested.is_complete and "prompt" in nested.columns
    if not has_all or ("answer" in nested.columns and guess.is_complete):
        return guess
    names = list(dict.fromkeys(key for row in rows for key in row))
    used_names = {re.split(r"[.\[]", column)[0] for column in nested.columns.values()}
    nested.remaining_columns = [name for name in names if name not in used_names]
    return nested


def _guess_named_columns(rows: RowSample) -> GuessedMapping:
    names = list(dict.fromkeys(key for row in rows for key in row))
    texts = [
        name
        for name in names
        if _is_text_column(rows, name) and not set(split_name_words(name)) & _NO_TEXT_WORDS
    ]
    guess = GuessedMapping()
    _guess_answers(rows, names, texts, guess)
    if not holds_whole_conversations(rows, guess.columns.get("responses")):
        _guess_prompt(rows, texts, guess)
    for key, words in _VALUE_WORDS.items():
        free_names = [name for name in names if name not in guess.columns.values()]
        if column := find_column(free_names, words):
            guess.columns[key] = column
            guess.unsure_keys.add(key)
    guess.remaining_columns = [name for name in names if name not in guess.columns.values()]
    return guess


def _guess_answers(
    rows: RowSample, names: list[str], texts: list[str], guess: GuessedMapping
) -> None:
    """Add the columns of both answers, and of who won where the names of the answers do not say."""
    if pair_columns := _judged_answers(rows, names, texts):
        guess.columns |= pair_columns
    # From the clearest names to the vaguest: a file may have columns of several kinds.
    elif ranked := find_side_columns(texts, _RANK_WORDS):
        guess.columns |= dict(zip(("chosen", "rejected"), ranked, strict=True))
    elif answers := find_side_columns(texts, SIDE_WORDS):
        guess.columns |= dict(zip(("first", "second"), answers, strict=True))
        _guess_winner(rows, [name for name in names if name not in answers], answers, guess)
    elif nested := guess_nested_answers(rows, names):
        guess.columns |= nested
    elif lists := guess_answer_lists(rows, names):
        guess.columns |= lists
    elif single := guess_single_answer(rows, names):
        guess.columns |= single


def _judged_answers(rows: RowSample, names: list[str], texts: list[str]) -> dict[str, str] | None:
    """Return the columns of two answers of which at least one is named as rejected."""
    chosen, rejected = find_column(texts, _CHOSEN_WORDS), find_column(texts, _REJECTED_WORDS)
    if rejected and not chosen:
        # An answer without a judgement in its name, beside one that was rejected.
        remaining_names = [name for name in names if name != rejected]
        chosen = (guess_single_answer(rows, remaining_names) or {}).get("answer")
    if not (chosen and rejected) or chosen == rejected:
        return None
    return {"chosen": chosen, "rejected": rejected}


def _guess_winner(
    rows: RowSample, names: list[str], answers: tuple[str, str], guess: GuessedMapping
) -> None:
    """Add the label of two answers of equal standing, or their scores where there is no label."""
    if label := guess_label(rows, names, answers):
        _add_label(label, guess)
    elif votes := guess_votes(rows, names, answers):
        guess.vote_columns = votes.names
        guess.labels, guess.label_counts = votes.meanings, votes.counts
    elif scores := slot_score_columns(rows, names):
        guess.columns |= dict(zip(("first_score", "second_score"), scores, strict=True))
    elif label := guess_label(rows, names, answers, by_values=True):
        _add_label(label, guess)


def _add_label(label: LabelGuess, guess: GuessedMapping) -> None:
    guess.columns |= label.columns
    guess.labels, guess.label_counts = label.meanings, label.counts
    if label.is_unsure:
        guess.unsure_keys.add("label")


def _guess_prompt(rows: RowSample, texts: list[str], guess: GuessedMapping) -> None:
    """Add the columns of the prompt and of a system text."""
    used_names = {re.split(r"[.\[]", column)[0] for column in guess.columns.values()}
    free_texts = [name for name in texts if name not in used_names]
    prompt = find_column(free_texts, (*_PROMPT_WORDS, *_CONVERSATION_WORDS))
    if prompt is None and len(free_texts) == 1:
        # The one text that is no answer.
        prompt = free_texts[0]
    elif prompt is None and free_texts and {"second", "rejected"} & guess.columns.keys():
        # Prompts are the longest of the texts beside the answers, in any language.
        prompt = max(free_texts, key=lambda name: _mean_characters(rows, name))
        guess.unsure_keys.add("prompt")
    if prompt is not None:
        guess.columns["prompt"] = prompt
    if system := next((name for name in texts if name.lower() in SYSTEM), None):
        guess.columns["system"] = system


def slot_score_columns(rows: RowSample, names: list[str]) -> tuple[str, str] | None:
    """Return two columns of numbers that are called scores, one for each answer."""
    scores = [n for n in names if set(split_name(n)) & SCORE_WORDS and _is_number_column(rows, n)]
    return find_side_columns(scores, SIDE_WORDS)


def _is_number_column(rows: RowSample, name: str) -> bool:
    values = [row[name] for row in rows if row.get(name) is not None]
    return bool(values) and all(type(value) in (int, float) for value in values)


def _mean_characters(rows: RowSample, name: str) -> float:
    lengths = [len(str(row[name])) for row in rows if row.get(name) is not None]
    return sum(lengths) / max(len(lengths), 1)


def _is_text_column(rows: RowSample, name: str) -> bool:
    values = [row[name] for row in rows if row.get(name) is not None]
    return bool(values) and all(isinstance(value, (str, list)) for value in values)
