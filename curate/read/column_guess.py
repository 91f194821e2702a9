"""Which column of an unknown file may hold what: a guess to be looked at, never used unseen."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

from curate.read.column_names import SYSTEM

if TYPE_CHECKING:  # the formats ask this module for names of prompts
    from curate.read.formats.base import RowSample

_PROMPT = ("prompt", "question", "instruction", "query", "problem", "context", "input", "task")
_CONVERSATIONS = (
    "conversation", "dialogue", "dialog", "history", "messages", "user", "post", "article",
    "prompts", "text",
)  # fmt: skip
_CHOSEN = ("chosen", "preferred", "accepted", "winner", "better", "good", "positive", "pos", "win")
_REJECTED = ("rejected", "dispreferred", "loser", "worse", "bad", "negative", "neg", "lose")
_SIDES = (
    ("a", "b"), ("1", "2"), ("0", "1"), ("left", "right"), ("first", "second"), ("one", "two"),
    ("x", "y"),
)  # fmt: skip
_RANKED = (("w", "l"), ("best", "worst"), ("high", "low"), ("up", "down"), ("plus", "minus"))
_LABEL = (
    "label", "winner", "preference", "preferred", "choice", "choose", "vote", "verdict", "judgment",
    "judgement", "better", "annotation", "pick", "picked", "selected", "outcome", "result",
)  # fmt: skip
_FIRST = {
    "a", "1", "model_a", "first", "left", "response_a", "answer_a", "[[a]]", "a>b", "a>>b", "true",
}  # fmt: skip
_SECOND = {
    "b", "2", "model_b", "second", "right", "response_b", "answer_b", "[[b]]", "b>a", "b>>a",
    "false",
}  # fmt: skip
_TIE = {"tie", "both", "same", "equal", "draw", "none", "neither", "[[c]]", "a=b", "c"}
_ORDER = (
    "system", "prompt", "chosen", "rejected", "first", "second", "label",
    "first_model", "second_model", "first_score", "second_score",
)  # fmt: skip
_OTHERS = {
    "annotator": ("annotator", "worker", "rater", "labeler", "labeller", "judge", "user_id"),
    "strength": ("strength", "margin", "confidence", "degree", "score_diff"),
    "source": ("source", "dataset", "subset", "category", "domain"),
}
_SCORES = {"score", "scores", "rating", "ratings", "reward", "grade", "points"}
_NO_ANSWER = {"model", "models", "id", "uuid"}
# A column of more distinct values is no verdict.
_MOST_LABELS = 12


@dataclass
class GuessedMapping:
    """A guessed mapping.

    Attributes:
        columns: keys of `ColumnMapping` and the columns that seem to hold them.
        labels: keys `first_wins`, `second_wins`, `tie` and the values found that seem to say so.
        seen: values of the label column and how often each stands in the sample.
        unsure: keys that are guesses by name alone, and whether a label's meaning is not known.
        rest: columns that go to `extra`.
    """

    columns: dict[str, str] = field(default_factory=dict)
    labels: dict[str, list[Any]] = field(default_factory=dict)
    label_counts: dict[Any, int] = field(default_factory=dict)
    unsure_keys: set[str] = field(default_factory=set)
    remaining_columns: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether it makes a mapping."""
        pair = {"chosen", "rejected"} <= self.columns.keys()
        slots = {"first", "second", "label"} <= self.columns.keys()
        told = bool(self.labels.get("first_wins")) or "first_model" in self.columns
        return pair or (slots and told) or "first_score" in self.columns

    def pair_columns(self) -> dict[str, str]:
        """The columns of a pair and what tells who won, in the order of a mapping."""
        return {key: self.columns[key] for key in _ORDER if key in self.columns}

    def as_option(self) -> str:
        """What --columns takes: the columns of a pair and, where there are slots, the labels."""
        parts = [f"{key}={column}" for key, column in self.pair_columns().items()]
        for key, values in self.labels.items():
            if values:
                said = "|".join(map(str, values))
                parts.append(f"{key}={said}")
        return ",".join(parts)


def prompt_column(rows: RowSample) -> str | None:
    """The column beside `chosen` and `rejected` that holds the prompt, going by its name."""
    names = dict.fromkeys(key for row in rows for key in row)
    texts = [n for n in names if n not in ("chosen", "rejected") and _is_text(rows, n)]
    return _named(texts, (*_PROMPT, *_CONVERSATIONS))


def guess_columns(rows: RowSample) -> GuessedMapping:
    """A mapping of the columns of a sample, by their names and values."""
    names = list(dict.fromkeys(key for row in rows for key in row))
    texts = [n for n in names if _is_text(rows, n) and not set(_words(n)) & _NO_ANSWER]
    found = GuessedMapping()
    chosen, rejected = _named(texts, _CHOSEN), _named(texts, _REJECTED)
    if chosen and rejected and chosen != rejected:
        found.columns |= {"chosen": chosen, "rejected": rejected}
    elif ranked := _two_sides(texts, _RANKED):
        found.columns |= dict(zip(("chosen", "rejected"), ranked, strict=True))
    elif sides := _two_sides(texts, _SIDES):
        found.columns |= dict(zip(("first", "second"), sides, strict=True))
        others = [n for n in names if n not in sides]
        _label(rows, others, found)
        if "label" not in found.columns and (scores := slot_score_columns(rows, others)):
            found.columns |= dict(zip(("first_score", "second_score"), scores, strict=True))
    taken = set(found.columns.values())
    left = [n for n in texts if n not in taken]
    if prompt := _named(left, (*_PROMPT, *_CONVERSATIONS)) or (left[0] if len(left) == 1 else None):
        found.columns["prompt"] = prompt
    if system := next((n for n in texts if n.lower() in SYSTEM), None):
        found.columns["system"] = system
    for key, words in _OTHERS.items():
        if column := _named([n for n in names if n not in found.columns.values()], words):
            found.columns[key] = column
            found.unsure_keys.add(key)
    found.remaining_columns = [n for n in names if n not in found.columns.values()]
    return found


def slot_score_columns(rows: RowSample, names: list[str]) -> tuple[str, str] | None:
    """Two columns of numbers that are called scores, one a side."""
    scores = [n for n in names if set(_parts(n)) & _SCORES and _is_number(rows, n)]
    return _two_sides(scores, _SIDES)


def _is_number(rows: RowSample, name: str) -> bool:
    values = [row[name] for row in rows if row.get(name) is not None]
    return bool(values) and all(type(v) in (int, float) for v in values)


def _is_text(rows: RowSample, name: str) -> bool:
    values = [row[name] for row in rows if row.get(name) is not None]
    return bool(values) and all(isinstance(v, (str, list)) for v in values)


def _words(name: str) -> list[str]:
    """Lower-case words of a column's name, of camel case too."""
    spaced = "".join(f" {c}" if c.isupper() else c for c in name)
    return "".join(c if c.isalnum() else " " for c in spaced).lower().split()


def _named(names: list[str], wanted: tuple[str, ...]) -> str | None:
    """The first column whose name holds a wanted word; earlier words go first."""
    for word in wanted:
        for name in names:
            if word == name.lower() or word in _words(name):
                return name
    return None


def _two_sides(names: list[str], sides: tuple[tuple[str, str], ...]) -> tuple[str, str] | None:
    """Two columns of answers whose names differ in their side alone, in the order of the sides."""
    for first, second in combinations(names, 2):
        a, b = _parts(first), _parts(second)
        different = [(x, y) for x, y in zip(a, b, strict=False) if x != y]
        if len(a) != len(b) or len(different) != 1:
            continue
        if different[0] in sides:
            return first, second
        if different[0][::-1] in sides:
            return second, first
    return None


def _parts(name: str) -> list[str]:
    """Words of a name; a digit or letter at the end stands alone (`answer1`, `responseA`)."""
    words = _words(name)
    if words and len(words[-1]) > 1 and words[-1][-1].isdigit() and words[-1][:-1].isalpha():
        words = [*words[:-1], words[-1][:-1], words[-1][-1]]
    return words


def _label(rows: RowSample, names: list[str], found: GuessedMapping) -> None:
    """The column that says who won, and which values say what."""
    if _label_is_a_model(rows, names, found):
        return
    few = {}
    for column in names:
        values = [row[column] for row in rows if isinstance(row.get(column), (str, int, bool))]
        counted = Counter(values)
        if values and len(counted) <= _MOST_LABELS:
            few[column] = counted
    name = _named(list(few), _LABEL)
    if name is None:
        return
    found.columns["label"] = name
    found.label_counts = dict(few[name].most_common())
    first, second = found.columns["first"].lower(), found.columns["second"].lower()
    said = {
        "first_wins": _FIRST | {first},
        "second_wins": _SECOND | {second},
        "tie": _TIE
        | {value for value in map(_plain, found.label_counts) if value.startswith("tie")},
    }
    for key, words in said.items():
        found.labels[key] = [v for v in found.label_counts if _plain(v) in words]
    own = [set(_parts(name)) for name in (found.columns["first"], found.columns["second"])]
    known = [value for values in found.labels.values() for value in values]
    for value in (value for value in found.label_counts if value not in known):
        # "A is better": the value names one side and not the other.
        words = set(_words(str(value)))
        named = [bool(words & (own[i] - own[1 - i])) for i in (0, 1)]
        if named[0] != named[1]:
            found.labels["first_wins" if named[0] else "second_wins"].append(value)
            found.unsure_keys.add("label")
    if {_plain(v) for v in found.label_counts} <= {"0", "1"}:
        _zero_and_one(found)
    if sum(map(len, found.labels.values())) < len(found.label_counts):
        found.unsure_keys.add("label")


def _zero_and_one(found: GuessedMapping) -> None:
    """Labels 0 and 1 may count slots from 0, or say whether the first one won."""
    by_slot = _parts(found.columns["first"].lower())[-1:] == ["0"]
    zero, one = ([v for v in found.label_counts if int(v) == side] for side in (0, 1))
    found.labels["first_wins" if by_slot else "second_wins"] = zero
    found.labels["second_wins" if by_slot else "first_wins"] = one
    found.unsure_keys.add("label")


def _label_is_a_model(rows: RowSample, names: list[str], found: GuessedMapping) -> bool:
    """Whether a label names the model that won, which stands in a column for each side."""
    models = _two_sides([n for n in names if "model" in _words(n)], _SIDES)
    label = _named([n for n in names if n not in (models or ())], _LABEL)
    if models is None or label is None:
        return False
    voted = [row for row in rows if row.get(label) is not None]
    named = [row for row in voted if row[label] in [row.get(model) for model in models]]
    if 2 * len(named) <= len(voted):
        return False
    found.columns |= {"label": label, "first_model": models[0], "second_model": models[1]}
    others = Counter(row[label] for row in voted if row not in named)
    found.label_counts = dict(others.most_common(_MOST_LABELS))
    found.labels["tie"] = [v for v in found.label_counts if _plain(v) in _TIE or "tie" in _plain(v)]
    return True


def _plain(value: Any) -> str:
    return str(value).strip().lower()
