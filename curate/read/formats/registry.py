"""Finds the formats of this folder and chooses one for a data set."""

from __future__ import annotations

from functools import cache

from curate.errors import CurateError, suggestion
from curate.read.closest_formats import closest_formats
from curate.read.column_guess import guess_columns
from curate.read.embedded_json import parse_embedded_json, parse_embedded_json_in_rows
from curate.read.formats.base import Format, RowSample
from curate.steps.discovery import named_classes

_FOLDER = "curate.read.formats"


@cache
def _formats() -> dict[str, type[Format]]:
    return named_classes(_FOLDER, Format)  # type: ignore[type-abstract]


def format_names() -> dict[str, str]:
    """Name and one-line summary of every format."""
    return {name: cls.summary for name, cls in _formats().items()}


def get_format(name: str) -> type[Format]:
    """The format class called `name`.

    Raises:
        CurateError: there is no such format.
    """
    if name not in _formats():
        fix = suggestion(name, [*_formats(), "auto"])
        raise CurateError("unknown input format", where="input.format", found=repr(name), fix=fix)
    return _formats()[name]


def matches_sample(candidate: Format, rows: RowSample) -> bool:
    """Whether a sample is of the format; values of shapes that it does not know are not."""
    try:
        return candidate.matches(rows)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return False


def matches_embedded_json(candidate: Format, unfolded: RowSample, names: frozenset[str]) -> bool:
    """Whether a sample is of the format once columns that it looks into are read from their text.

    The format is told so, where it is.

    Args:
        candidate: the format.
        unfolded: the sample as `unfolded_rows` gives it.
        names: of the columns that this changed.
    """
    candidate.json_as_text = _looks_into(candidate, names) and matches_sample(candidate, unfolded)
    return candidate.json_as_text


def detect_json_text(fmt: Format, rows: RowSample) -> None:
    """Tell the format whether a column that it takes as JSON stands as the text of such."""
    for name in fmt.json_columns:
        given = [row[name] for row in rows if row.get(name) not in (None, "")]
        # Of texts alone: an answer among lists of answers may well be JSON.
        texts = all(isinstance(value, str) for value in given)
        inside = sum(parse_embedded_json(value) is not value for value in given)
        fmt.json_as_text = fmt.json_as_text or (texts and inside * 2 > len(given))


def _looks_into(candidate: Format, names: frozenset[str]) -> bool:
    return not names.isdisjoint((*candidate.nested_columns, *candidate.json_columns))


def detect_format(rows: RowSample, where: str) -> Format:
    """The format of a sample of rows.

    Raises:
        CurateError: no format matches.
    """
    candidates = [cls for cls in _formats().values() if cls.priority >= 0]
    ranked = sorted(candidates, key=lambda c: (-c.priority, c.name))
    found = next((c for c in (cls() for cls in ranked) if matches_sample(c, rows)), None)
    # An answer may well be JSON: only where nothing else fits are such texts taken for values.
    if found is None:
        read = parse_embedded_json_in_rows(rows)
        found = next(
            (c for c in (cls() for cls in ranked) if matches_embedded_json(c, *read)), None
        )
    if found is None:
        found = _of_most([cls() for cls in ranked], rows)
    if found is None:
        inside = [cls for cls in ranked if _looks_into(cls(), read[1])]
        found = _of_most([cls() for cls in inside], read[0])
        if found is not None:
            found.json_as_text = True
    if found is not None:
        detect_json_text(found, rows)
        return found
    columns = sorted({key for row in rows for key in row})
    near = closest_formats(rows, [cls() for cls in candidates], matches_sample)
    like = f"It is nearly {'; or '.join(near)}. Else one" if near else "one"
    raise CurateError(
        "the format of the data was not recognised",
        where=where,
        found=f"columns {', '.join(columns) or '(none)'}",
        expected=f"{like} of the formats that 'curate list' shows",
        fix=_mapping_fix(rows),
    )


def _of_most(candidates: list[Format], rows: RowSample) -> Format | None:
    """The format of most rows, where it is the odd ones that keep the sample from being of it.

    Those rows are then malformed, each with its place and reason.
    """
    best, most = None, len(rows) // 2
    for candidate in candidates:
        if (count := _fitting(candidate, rows)) > most:
            best, most = candidate, count
    return best


def matches_most_rows(candidate: Format, rows: RowSample) -> bool:
    """Whether most rows of a sample are of the format."""
    return matches_sample(candidate, rows) or _fitting(candidate, rows) > len(rows) // 2


def _fitting(candidate: Format, rows: RowSample) -> int:
    """How many rows are of the format, by themselves and together."""
    # With every column in every row: a column that only some have counts for all.
    names = dict.fromkeys(key for row in rows for key in row)
    whole = (names | dict(row) for row in rows)
    own = [row for row in whole if matches_sample(candidate, [row])]
    return len(own) if matches_sample(candidate, own) else 0


def _mapping_fix(rows: RowSample) -> str:
    """How to say what the columns hold: the guess, where it makes a whole mapping."""
    guess = guess_columns(rows)
    if guess.is_complete and "prompt" in guess.columns:
        unsure = " (check what its labels mean)" if "label" in guess.unsure_keys else ""
        return (
            f'if this is what the columns hold{unsure}: --columns "{guess.as_option()}"; in a '
            "pipeline input.columns, which 'curate init --data FILE' writes"
        )
    return (
        "say what the columns hold: --columns prompt=...,chosen=...,rejected=... or "
        "prompt=...,first=...,second=...,label=... (in a pipeline input.columns); "
        "'curate init --data FILE' writes a guess for each column"
    )
