"""Columns that filters read from `extra`: its keys, and the scores of both answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from curate.data.answer_scores import SCORE_WORDS, score_columns, score_number
from curate.data.file_margins import extra_leaf_keys
from curate.data.hashes import select_in_batches
from curate.data.json_fields import IS_FLIPPED, SLOT_KEY, extra_path, extra_value
from curate.errors import CurateError, suggestion
from curate.read.column_names import SIDE_WORDS, find_side_columns, split_name

EXTRA_PREFIX = "extra."
ANSWER_SCORES = ("chosen_score", "rejected_score")
"""Columns of the scores of both answers, whichever keys of `extra` hold them."""
_SAMPLED_ROWS = 1000


def is_extra_column(name: str) -> bool:
    """Return whether a column is read from `extra`."""
    return name in ANSWER_SCORES or name.startswith(EXTRA_PREFIX)


def with_extras(frame: pl.DataFrame, columns: Iterable[str]) -> pl.DataFrame:
    """Return the frame with these columns: numbers where all values are, else text."""
    for name in columns:
        value = select_in_batches(frame, value=_extra_expression(frame, name))["value"]
        # One value that is no number makes the key a text: a threshold on it then fails and says
        # so.
        number = value.cast(pl.Float64, strict=False)
        column = number if number.null_count() == value.null_count() else value
        frame = frame.with_columns(column.alias(name))
    return frame


def check_extra_columns(columns: Mapping[str, Iterable[str]], pairs: pl.DataFrame) -> None:
    """Refuse a column of `extra` that no pair has.

    Args:
        columns: columns that each filter reads, by the name of the filter.
        pairs: all pairs that they will see.

    Raises:
        CurateError: there is such a column; it names the nearest key.
    """
    for step, names in columns.items():
        for name in names:
            if is_extra_column(name) and len(pairs) and not _has_values(pairs, name):
                raise _missing_column_error(name, step, pairs)


def _has_values(pairs: pl.DataFrame, name: str) -> bool:
    value = _extra_expression(pairs, name)
    # Nearly always the first pairs have the key.
    if pairs.head(_SAMPLED_ROWS).select(value.is_not_null().any()).item():
        return True
    return bool(select_in_batches(pairs, value=value.is_not_null())["value"].any())


def _missing_column_error(name: str, step: str, pairs: pl.DataFrame) -> CurateError:
    keys = [f"{EXTRA_PREFIX}{key}" for key in extra_leaf_keys(pairs)]
    if name in ANSWER_SCORES:
        expected = "scores of both answers beside them, such as score_chosen and score_rejected"
    else:
        expected = "a key of extra, such as 'curate inspect' lists"
    return CurateError(
        f"no pair has a value of {name}",
        where=f"filter '{step}'",
        found=f"keys {', '.join(keys)}" if keys else "no keys of extra",
        expected=expected,
        fix=suggestion(name, keys) if keys else None,
    )


def _extra_expression(pairs: pl.DataFrame, name: str) -> pl.Expr:
    if name not in ANSWER_SCORES:
        return extra_path(name.removeprefix(EXTRA_PREFIX))
    chosen, rejected = _answer_scores(pairs)
    if name == ANSWER_SCORES[1]:
        chosen, rejected = rejected, chosen
    # What extra holds is oriented as the label that was read.
    return pl.when(IS_FLIPPED).then(rejected).otherwise(chosen)


def _answer_scores(pairs: pl.DataFrame) -> tuple[pl.Expr, pl.Expr]:
    """Return the score of the chosen and that of the rejected answer, null where there is none."""
    keys = extra_leaf_keys(pairs)
    sources = [_ranking_scores()]
    named = score_columns(keys)
    if named is not None:
        # Scores that name chosen and rejected go first: slots and rankings are conclusions from
        # other keys.
        sources.insert(0, (score_number(named[0]), score_number(named[1])))
    slots = find_side_columns(
        [key for key in keys if SCORE_WORDS.intersection(split_name(key))], SIDE_WORDS
    )
    if slots is not None:
        sources.append(_slot_scores(*map(score_number, slots)))
    chosen, rejected = (pl.coalesce(source[side] for source in sources) for side in range(2))
    return chosen, rejected


def _ranking_scores() -> tuple[pl.Expr, pl.Expr]:
    """Return both scores of a pair that was made of a ranking."""
    is_ranking = extra_value("pair_of_answers").is_not_null()
    best, other = (extra_path(f"scores[{i}]").cast(pl.Float64, strict=False) for i in range(2))
    return pl.when(is_ranking).then(best), pl.when(is_ranking).then(other)


def _slot_scores(first: pl.Expr, second: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Return the scores of two slots as those of the chosen and the rejected answer."""
    slot = extra_value(SLOT_KEY)
    return (
        pl.when(slot == "1").then(first).when(slot == "2").then(second),
        pl.when(slot == "1").then(second).when(slot == "2").then(first),
    )
