"""Guesses which column says who won, and what its values mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from curate.read.column_names import (
    SIDE_WORDS,
    find_column,
    find_side_columns,
    split_name,
    split_name_words,
)

if TYPE_CHECKING:  # the formats import `column_guess`, which imports this module
    from curate.read.formats.base import RowSample

_LABEL_WORDS = (
    "label", "winner", "preference", "preferred", "choice", "choose", "vote", "verdict", "judgment",
    "judgement", "better", "annotation", "pick", "picked", "selected", "outcome", "result",
)  # fmt: skip
_FIRST_WINS = {
    "a", "1", "model_a", "first", "left", "response_a", "answer_a", "[[a]]", "a>b", "a>>b", "true",
}  # fmt: skip
_SECOND_WINS = {
    "b", "2", "model_b", "second", "right", "response_b", "answer_b", "[[b]]", "b>a", "b>>a",
    "false",
}  # fmt: skip
_TIE = {"tie", "both", "same", "equal", "draw", "none", "neither", "[[c]]", "a=b", "c"}
_SCALE_WORDS = {"rating", "score", "scale", "likert", "preference"}
"""Words of columns that hold a scale, also where no value repeats in the sample."""
# A column with more distinct values than this is no verdict.
_MAX_LABELS = 12
_MIN_SCALE, _MAX_SCALE = 4, 10
"""Highest steps of a scale that begins at 1; 3 may be a tie."""


@dataclass
class LabelGuess:
    """A guessed label column.

    Attributes:
        columns: keys of `ColumnMapping` (`label`, `first_model`, `second_model`) and their columns.
        meanings: keys `first_wins`, `second_wins`, `tie` and the values that seem to mean so.
        counts: values of the label column, with how often each occurs in the sample.
        is_unsure: whether the meaning of a value is a guess, or not known at all.
    """

    columns: dict[str, str]
    meanings: dict[str, list[Any]] = field(default_factory=dict)
    counts: dict[Any, int] = field(default_factory=dict)
    is_unsure: bool = False


def guess_label(
    rows: RowSample, names: Sequence[str], answers: tuple[str, str], by_values: bool = False
) -> LabelGuess | None:
    """Return the column that says who won and what its values mean; None if there is none.

    Args:
        rows: a sample.
        names: its columns without those of the answers.
        answers: the columns of the two answers.
        by_values: whether a column may be found by its values alone, whatever its name.
    """
    by_model = _guess_model_label(rows, names)
    if by_model is not None:
        return by_model
    value_counts = _count_label_values(rows, names)
    name = find_column(list(value_counts), _LABEL_WORDS)
    is_named = name is not None
    if name is None and by_values:
        name = next(iter(label_columns_by_values(rows, names, answers)), None)
    if name is None:
        return None
    guess = LabelGuess({"label": name}, counts=dict(value_counts[name].most_common()))
    guess.is_unsure = not is_named
    # A scale first: of 1 to 7 the values 1 and 2 would look like the two answers.
    scale = _scale_numbers(guess.counts)
    if scale:
        _assign_scale(guess, scale)
        return guess
    _assign_usual_meanings(guess, answers)
    _assign_named_sides(guess, answers)
    if {_normalise(value) for value in guess.counts} <= {"0", "1"}:
        _assign_zero_and_one(guess, answers)
    _assign_remaining_tie(guess)
    if sum(map(len, guess.meanings.values())) < len(guess.counts):
        guess.is_unsure = True
    return guess


def label_columns_by_values(
    rows: RowSample, names: Sequence[str], answers: tuple[str, str] = ("", "")
) -> list[str]:
    """Return the columns whose values say who won, whatever their names and language.

    Their values name both sides (A and B, 1 and 2, "Antwort A" and "Antwort B"), or are the steps
    of a scale; and values repeat, as those of an id do not.

    Args:
        rows: a sample.
        names: its columns without those of the answers.
        answers: the columns of the two answers.

    Examples:
        >>> rows = [{"Frage": f"Frage {n}", "Gewinner": "AAB"[n]} for n in range(3)]
        >>> label_columns_by_values(rows, ["Frage", "Gewinner"])
        ['Gewinner']
    """
    columns = []
    for name, counts in _count_label_values(rows, names).items():
        guess = LabelGuess({}, counts=dict(counts))
        _assign_usual_meanings(guess, answers)
        _assign_named_sides(guess, answers)
        names_both = bool(guess.meanings["first_wins"] and guess.meanings["second_wins"])
        names_all = names_both and sum(map(len, guess.meanings.values())) >= len(counts) - 1
        repeats = len(counts) < counts.total() or bool(_SCALE_WORDS & set(split_name_words(name)))
        if repeats and (names_all or _scale_numbers(counts)):
            columns.append(name)
    return columns


@dataclass
class VotesGuess:
    """Guessed columns of several votes on the same two answers.

    Attributes:
        names: the columns.
        meanings: keys `first_wins`, `second_wins`, `tie` and the values that seem to mean so.
        counts: values of all columns, with how often each occurs in the sample.
    """

    names: list[str]
    meanings: dict[str, list[Any]]
    counts: dict[object, int]


def guess_votes(
    rows: RowSample, names: Sequence[str], answers: tuple[str, str]
) -> VotesGuess | None:
    """Return columns whose names differ in a number and that hold votes; None if there are none."""
    value_counts = _count_label_values(rows, names)
    by_stem: dict[str, list[str]] = {}
    for name in value_counts:
        stem = name.rstrip("0123456789")
        if stem != name and stem:
            by_stem.setdefault(stem, []).append(name)
    for columns in by_stem.values():
        counts = sum((value_counts[name] for name in columns), Counter[Any]())
        guess = LabelGuess({}, counts=dict(counts.most_common()))
        _assign_usual_meanings(guess, answers)
        assigned_count = sum(map(len, guess.meanings.values()))
        if len(columns) > 1 and guess.meanings["first_wins"] and assigned_count == len(counts):
            return VotesGuess(columns, guess.meanings, guess.counts)
    return None


def label_candidates(rows: RowSample, names: Sequence[str]) -> dict[str, dict[object, int]]:
    """Return the columns with two values or a few more that repeat, and how often each occurs.

    Args:
        rows: a sample.
        names: its columns without those of prompt and answers.
    """
    counts = _count_label_values(rows, names)
    return {n: dict(c.most_common()) for n, c in counts.items() if 1 < len(c) < c.total()}


def value_counts(rows: RowSample, name: str) -> dict[object, int]:
    """Return the values of a column in a sample, the most frequent first."""
    values = [row[name] for row in rows if isinstance(row.get(name), (str, int, bool))]
    return dict(Counter[object](values).most_common(_MAX_LABELS))


def _count_label_values(rows: RowSample, names: Sequence[str]) -> dict[str, Counter[object]]:
    """Return the values of each column that has few enough of them to be a label."""
    counts: dict[str, Counter[Any]] = {}
    for name in names:
        values = [row[name] for row in rows if isinstance(row.get(name), (str, int, bool))]
        if values and len(distinct := Counter(values)) <= _MAX_LABELS:
            counts[name] = distinct
    return counts


def _scale_numbers(counts: Mapping[Any, int]) -> dict[object, int]:
    """Return the numbers that the values are, where they are steps of a scale; else nothing.

    A scale goes from 1 to 4 or more, or from below 0 to above 0.
    """
    texts = [str(value).strip().removesuffix(".0") for value in counts]
    if not all(text.removeprefix("-").isdigit() for text in texts):
        return {}
    numbers = dict(zip(counts, map(int, texts), strict=True))
    low, high = min(numbers.values(), default=0), max(numbers.values(), default=0)
    is_signed = low < 0 < high and max(-low, high) > 1
    is_likert = low >= 1 and _MIN_SCALE <= high <= _MAX_SCALE
    return numbers if is_signed or is_likert else {}


def _assign_scale(guess: LabelGuess, numbers: Mapping[Any, int]) -> None:
    """Guess that low steps prefer the first answer, high ones the second, the middle one none."""
    low, high = min(numbers.values()), max(numbers.values())
    middle = 0.0 if low < 0 else (1 + high) / 2
    # Steps that the first rows lack are there later on.
    are_texts = all(isinstance(value, str) for value in numbers)
    missing_steps = set(range(min(low, 1), high + 1)) - set(numbers.values())
    numbers = {**numbers, **{str(n) if are_texts else n: n for n in missing_steps}}
    order = sorted(numbers, key=lambda value: numbers[value])
    guess.meanings = {
        "first_wins": [value for value in order if numbers[value] < middle],
        "second_wins": [value for value in order if numbers[value] > middle],
        "tie": [value for value in order if numbers[value] == middle],
    }
    guess.is_unsure = True


def _assign_usual_meanings(guess: LabelGuess, answers: tuple[str, str]) -> None:
    """Give a meaning to values that datasets usually write, and to the answers' own names."""
    first_answer, second_answer = answers
    meanings = {
        "first_wins": _FIRST_WINS | {first_answer.lower()},
        "second_wins": _SECOND_WINS | {second_answer.lower()},
        "tie": _TIE | {text for text in map(_normalise, guess.counts) if text.startswith("tie")},
    }
    for key, texts in meanings.items():
        guess.meanings[key] = [value for value in guess.counts if _normalise(value) in texts]


def _assign_named_sides(guess: LabelGuess, answers: tuple[str, str]) -> None:
    """Give a meaning to values that name one answer and not the other ("A is better")."""
    first_words, second_words = (set(split_name(name)) for name in answers)
    assigned = [value for values in guess.meanings.values() for value in values]
    for value in (value for value in guess.counts if value not in assigned):
        words = set(split_name_words(str(value)))
        names_first = bool(words & (first_words - second_words))
        names_second = bool(words & (second_words - first_words))
        if names_first != names_second:
            guess.meanings["first_wins" if names_first else "second_wins"].append(value)
            guess.is_unsure = True


def _assign_remaining_tie(guess: LabelGuess) -> None:
    """Guess that the one value left, where others name both sides, is that of a tie ("gleich")."""
    assigned = [value for values in guess.meanings.values() for value in values]
    # A further number may be a third answer, or a step of a scale.
    remaining = [v for v in guess.counts if v not in assigned and not str(v).strip("-. ").isdigit()]
    has_both = guess.meanings["first_wins"] and guess.meanings["second_wins"]
    if has_both and not guess.meanings["tie"] and len(remaining) == 1:
        guess.meanings["tie"] = remaining
        guess.is_unsure = True


def _assign_zero_and_one(guess: LabelGuess, answers: tuple[str, str]) -> None:
    """Guess what 0 and 1 mean: a slot counted from 0, or whether the first answer won."""
    # answer_0 and answer_1 are numbered as the label; else 1 mostly means that the first answer is
    # better.
    counts_from_zero = split_name(answers[0].lower())[-1:] == ["0"]
    zeros, ones = ([v for v in guess.counts if int(v) == number] for number in (0, 1))
    guess.meanings["first_wins" if counts_from_zero else "second_wins"] = zeros
    guess.meanings["second_wins" if counts_from_zero else "first_wins"] = ones
    guess.is_unsure = True


def _guess_model_label(rows: RowSample, names: Sequence[str]) -> LabelGuess | None:
    """Return the label that names the winning model, where each side's model has a column."""
    model_names = [name for name in names if "model" in split_name_words(name)]
    models = find_side_columns(model_names, SIDE_WORDS)
    if models is None:
        return None
    label = find_column([name for name in names if name not in models], _LABEL_WORDS)
    if label is None:
        return None
    labelled = [row for row in rows if row.get(label) is not None]
    other_labels = [
        row[label] for row in labelled if row[label] not in [row.get(model) for model in models]
    ]
    # Most labels must name one of the two models; ties do not.
    if 2 * len(other_labels) >= len(labelled):
        return None
    other_values = Counter(other_labels)
    columns = {"label": label, "first_model": models[0], "second_model": models[1]}
    guess = LabelGuess(columns, counts=dict(other_values.most_common(_MAX_LABELS)))
    guess.meanings["tie"] = [value for value in guess.counts if _is_tie(value)]
    return guess


def _is_tie(label: Any) -> bool:
    return _normalise(label) in _TIE or "tie" in _normalise(label)


def _normalise(value: object) -> str:
    return str(value).strip().lower()
