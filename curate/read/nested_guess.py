"""Guesses answers that are fields of objects, or items of lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from curate.read.column_names import VERDICT_WORDS, find_column, split_name_words
from curate.read.messages import speaker_role

if TYPE_CHECKING:  # the formats import `column_guess`, which imports this module
    from curate.read.formats.base import RowSample

_CHOSEN_WORDS = ("chosen", "preferred", "better", "positive", "pos", "good", "best", "win")
_REJECTED_WORDS = ("rejected", "dispreferred", "worse", "negative", "neg", "bad", "worst", "lose")
_TEXT_FIELDS = ("answer", "text", "response", "content", "completion", "output", "message")
_LIST_WORDS = (
    "responses", "answers", "completions", "outputs", "generations", "candidates", "answer",
    "output", "response", "samples",
)  # fmt: skip
_SCORE_WORDS = {
    *("score", "scores", "reward", "rewards", "rating", "ratings"),
    *("votes", "upvotes", "likes"),
}
_RANK_WORDS = {"rank", "ranks", "ranking", "rankings"}
_VERDICT_WORDS = VERDICT_WORDS | {"correctness", "verified"}
_MIN_ANSWERS = 2


def with_paths(row: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a row with the fields of its objects in place of them, by their paths.

    Messages and lists stay as they are; so do names that a path cannot hold.

    Examples:
        >>> with_paths({"info": {"post": "Why?"}, "id": 1})
        {'info.post': 'Why?', 'id': 1}
    """
    flat: dict[str, Any] = {}
    for name, value in row.items():
        path = prefix + name
        if isinstance(value, Mapping) and not speaker_role(value):
            flat |= with_paths(value, f"{path}.")
        elif not prefix or not set(name) & set(".[]"):
            flat[path] = value
    return flat


def guess_nested_answers(rows: RowSample, names: list[str]) -> dict[str, str] | None:
    """Return paths of the chosen and the rejected answer in two columns of objects."""
    objects = [name for name in names if _are_all(_values(rows, name), Mapping)]
    chosen, rejected = find_column(objects, _CHOSEN_WORDS), find_column(objects, _REJECTED_WORDS)
    if chosen is None or rejected is None or chosen == rejected:
        return None
    field = _text_field([*_values(rows, chosen), *_values(rows, rejected)])
    if field is None:
        return None
    return {"chosen": f"{chosen}.{field}", "rejected": f"{rejected}.{field}"}


def guess_answer_lists(rows: RowSample, names: list[str]) -> dict[str, str] | None:
    """Return the column or path of a list of answers, and that of their scores or ranks.

    Conversations without a number are guessed as ranked by their order; texts are not.
    """
    lists = [name for name in names if _are_all(_values(rows, name), list)]
    answers = find_column([name for name in lists if _are_answers(rows, name)], _LIST_WORDS)
    if answers is None:
        return None
    items = _listed_items(rows, answers)
    if _are_all(items, Mapping):
        return _guess_answer_objects(answers, items)
    named = _number_columns(
        [name for name in lists if _are_all(_listed_items(rows, name), (int, float))]
    )
    named = named or _verdict_columns(rows, lists)
    if not named and not _are_all(items, list):
        return None
    return {"responses": answers, **named}


def _guess_answer_objects(answers: str, items: list[Any]) -> dict[str, str] | None:
    """Return the paths of text and number of answers that are objects."""
    field = _text_field(items)
    keys = dict.fromkeys(key for item in items for key in item)
    numbers = [key for key in keys if _are_all([i.get(key) for i in items], (int, float))]
    named = _number_columns(numbers)
    if field is None or not named:
        return None
    paths = {key: f"{answers}[].{column}" for key, column in named.items()}
    return {"responses": f"{answers}[].{field}", **paths}


def _listed_items(rows: RowSample, name: str) -> list[Any]:
    """Return the items of all lists of a column."""
    return [item for listed in _values(rows, name) for item in listed]


def holds_whole_conversations(rows: RowSample, column: str | None) -> bool:
    """Return whether the answers of a list begin with a question, so that they hold the prompt."""
    listed = _values(rows, column) if column is not None else []
    items = [item for answers in listed if isinstance(answers, list) for item in answers]
    return bool(items) and all(
        isinstance(item, list) and item and speaker_role(item[0]) in ("user", "system")
        for item in items
    )


def _values(rows: RowSample, name: str) -> list[Any]:
    return [row[name] for row in rows if row.get(name) is not None]


def _are_all(values: Iterable[Any], kind: type | tuple[type, ...]) -> bool:
    listed = list(values)
    return bool(listed) and all(
        isinstance(value, kind) and not isinstance(value, bool) for value in listed
    )


def _are_answers(rows: RowSample, name: str) -> bool:
    """Return whether most lists hold several texts, objects or conversations, and no messages."""
    values, items = _values(rows, name), _listed_items(rows, name)
    is_kind = any(_are_all(items, kind) for kind in (str, Mapping, list))
    several = sum(len(listed) >= _MIN_ANSWERS for listed in values) * 2 > len(values)
    return is_kind and several and not any(speaker_role(item) for item in items)


def _text_field(objects: list[Mapping[str, Any]]) -> str | None:
    """Return the field of objects that holds their text, if its name says so."""
    names = dict.fromkeys(key for item in objects for key in item)
    texts = [n for n in names if _are_all([item.get(n) for item in objects], (str, list))]
    return find_column(texts, _TEXT_FIELDS)


def _verdict_columns(rows: RowSample, lists: list[str]) -> dict[str, str]:
    """Return the first list of bools that is named like verdicts, as scores."""
    for name in lists:
        are_bools = all(isinstance(item, bool) for item in _listed_items(rows, name))
        if are_bools and not _VERDICT_WORDS.isdisjoint(split_name_words(name)):
            return {"scores": name}
    return {}


def _number_columns(names: Iterable[str]) -> dict[str, str]:
    """Return the first column of scores, else that of ranks."""
    for key, words in (("scores", _SCORE_WORDS), ("ranks", _RANK_WORDS)):
        column = next((name for name in names if words & set(split_name_words(name))), None)
        if column is not None:
            return {key: column}
    return {}
