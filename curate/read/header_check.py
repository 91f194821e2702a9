"""Files whose first line is a row and no header: their columns have values for names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from curate.read.label_guess import label_columns_by_values

if TYPE_CHECKING:
    from curate.read.formats.base import RowSample

_SENTENCE_WORDS, _LONGEST_NAME = 3, 60
"""A name of so many words with a sentence's end, or of more characters, is a text."""
_TEXT_NAMES = ("question", "answer_a", "answer_b")


def missing_header_fix(rows: RowSample) -> str | None:
    """Return how to add the header that a table lacks; None if its names look like names.

    Args:
        rows: a sample, by the names that the first line gave.

    Examples:
        >>> row = {"What is 2 + 2?": "Name a fruit.", "4": "Apple", "5": "Pear", "1": "2"}
        >>> "question,answer_a,answer_b,winner" in missing_header_fix([row, row])
        True
    """
    names = list(dict.fromkeys(key for row in rows for key in row))
    if not any(map(_is_value, names)):
        return None
    header = ",".join(_proposed_names(rows, names))
    return (
        f"the first line looks like a row: put names of columns above it, such as {header} (with "
        "the separator of the rows)"
    )


def _is_value(name: str) -> bool:
    """Return whether a column's name is a number or a sentence."""
    words = name.split()
    is_sentence = len(words) >= _SENTENCE_WORDS and name.rstrip()[-1] in ".?!"
    return name.strip().replace(".", "", 1).isdigit() or is_sentence or len(name) > _LONGEST_NAME


def _proposed_names(rows: RowSample, names: Sequence[str]) -> list[str]:
    """Return a name for each column: the label by its values, the texts by their order."""
    labels = label_columns_by_values(rows, names)
    label = labels[-1] if labels else names[-1]
    texts = iter(_TEXT_NAMES)
    further_names = (f"column_{number}" for number in range(1, len(names) + 1))
    return [
        "winner" if name == label else next(texts, None) or next(further_names) for name in names
    ]
