"""Kinds of text in answers, such as keys and personal data: flags, and which kinds they are."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from curate.models.text.answer_texts import map_distinct_texts
from curate.steps.contracts import LOWER, Column

_SIDES = ("chosen", "rejected")


def kind_columns(what: str) -> tuple[Column, ...]:
    """Return the columns of `kind_flags`.

    Args:
        what: a text of these kinds, with its article.

    Examples:
        >>> [column.name for column in kind_columns("a secret")]
        ['chosen', 'rejected', 'chosen_kinds', 'rejected_kinds']
    """
    return (
        *(Column(side, f"the {side} answer contains {what}", "bool", LOWER) for side in _SIDES),
        *(
            Column(f"{side}_kinds", f"kinds in the {side} answer, comma-separated", "text")
            for side in _SIDES
        ),
    )


def kind_flags(pairs: pl.DataFrame, kinds_in: Callable[[str], str]) -> pl.DataFrame:
    """Return whether each answer has one of the kinds, and which, comma-separated.

    Args:
        pairs: the pair table.
        kinds_in: returns the kinds in a text.

    Examples:
        >>> from curate import read_pairs
        >>> pairs = read_pairs([{"prompt": "p", "chosen": "a 1", "rejected": "b"}]).frame
        >>> kind_flags(pairs, lambda text: "number" if "1" in text else "").row(0)
        (True, False, 'number', '')
    """
    kinds = dict(zip(_SIDES, map_distinct_texts(pairs, _SIDES, kinds_in), strict=True))
    flags = {side: [bool(names) for names in kinds[side]] for side in _SIDES}
    return pl.DataFrame(flags | {f"{side}_kinds": kinds[side] for side in _SIDES})
