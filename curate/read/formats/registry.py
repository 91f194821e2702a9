"""Finds the formats of this folder and of plug-ins, and chooses one for a dataset."""

from __future__ import annotations

import shlex
from pathlib import Path

from curate.errors import CurateError
from curate.option_names import is_command_line
from curate.read.closest_formats import closest_formats
from curate.read.column_guess import guess_columns
from curate.read.embedded_json import parse_embedded_json, parse_embedded_json_in_rows
from curate.read.formats.base import BoundFormat, Format, ReadOptions, RowSample
from curate.read.formats.single_answers import SingleAnswers, may_hold_pairs
from curate.read.header_check import missing_header_fix
from curate.steps.discovery import Catalogue
from curate.steps.entries import FORMATS

CATALOGUE: Catalogue[Format] = Catalogue(
    "input format",
    "curate.read.formats",
    FORMATS,
    Format,  # type: ignore[type-abstract]
)


def format_names() -> dict[str, str]:
    """Return name and one-line summary of every format that can be used."""
    return {name: cls.summary for name, cls in CATALOGUE.usable.items()}


def get_format(name: str) -> type[Format]:
    """Return the format class called `name`.

    Raises:
        CurateError: there is no such format, or the plug-in cannot be used.
    """
    return CATALOGUE.load(name, "input.format", ["auto"])


def matches_sample(candidate: Format, rows: RowSample) -> bool:
    """Return whether a sample is of the format; values of shapes that it does not know are not."""
    try:
        return candidate.matches(rows)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return False


def matches_embedded_json(candidate: Format, unfolded: RowSample, names: frozenset[str]) -> bool:
    """Return whether a sample is of the format once its JSON texts are parsed.

    Args:
        candidate: the format.
        unfolded: the sample as `unfolded_rows` gives it.
        names: of the columns that this changed.
    """
    return _takes_nested_values(candidate, names) and matches_sample(candidate, unfolded)


def bind_format(form: Format, rows: RowSample, json_as_text: bool) -> BoundFormat:
    """Return a format with the option whether the columns that it takes as JSON hold texts.

    Args:
        form: the format.
        rows: a sample of it.
        json_as_text: whether the sample was found to be of the format by parsing texts.
    """
    json_as_text = json_as_text or any(_holds_json_texts(rows, c) for c in form.json_columns)
    return BoundFormat(form, ReadOptions(json_as_text=json_as_text))


def _holds_json_texts(rows: RowSample, column: str) -> bool:
    values = [row[column] for row in rows if row.get(column) not in (None, "")]
    # Only if all are texts: an answer among lists of answers may well be JSON.
    are_texts = all(isinstance(value, str) for value in values)
    json_count = sum(parse_embedded_json(value) is not value for value in values)
    return are_texts and json_count * 2 > len(values)


def _takes_nested_values(candidate: Format, names: frozenset[str]) -> bool:
    return not names.isdisjoint((*candidate.nested_columns, *candidate.json_columns))


def detect_format(rows: RowSample, where: str) -> BoundFormat:
    """Return the format of a sample of rows.

    Raises:
        CurateError: no format matches, or several packages claim the name of the one that does.
    """
    detected = next((fmt for fmt in _candidates() if matches_sample(fmt, rows)), None)
    json_as_text = False
    if detected is None:
        detected, json_as_text = _detect_inexact_format(rows)
    single = SingleAnswers()
    if detected is None and matches_sample(single, rows) and not may_hold_pairs(rows):
        detected, json_as_text = single, False
    if detected is None:
        raise _unknown_format_error(rows, where)
    get_format(detected.name)
    return bind_format(detected, rows, json_as_text)


def _detect_inexact_format(rows: RowSample) -> tuple[Format | None, bool]:
    """Return the format of a sample once JSON texts are parsed, or the format of most rows.

    The second value is whether texts were parsed.
    """
    # An answer may be JSON: only where no format matches are such texts taken as values.
    parsed_rows, names = parse_embedded_json_in_rows(rows)
    nested = [candidate for candidate in _candidates() if _takes_nested_values(candidate, names)]
    parsed = next((form for form in nested if matches_sample(form, parsed_rows)), None)
    if parsed is None and (most := _format_of_most_rows(_candidates(), rows)) is not None:
        return most, False
    return parsed or _format_of_most_rows(nested, parsed_rows), True


def _candidates() -> list[Format]:
    """Return the formats that may be detected, in the order in which they are tried."""
    # Built-in ones whose name a plug-in claims too: data of theirs must not pass as another's.
    classes = [cls for cls in (CATALOGUE.usable | CATALOGUE.built_in).values() if cls.priority >= 0]
    return [cls() for cls in sorted(classes, key=lambda cls: (-cls.priority, cls.name))]


def _unknown_format_error(rows: RowSample, where: str) -> CurateError:
    """Return the error for a sample of no format, with the formats that it nearly matches."""
    columns = sorted({key for row in rows for key in row})
    header_fix = missing_header_fix(rows)
    near_misses = [] if header_fix else closest_formats(rows, _candidates(), matches_sample)
    fix = header_fix or _suggest_mapping(rows, where)
    hint = f"It is nearly {'; or '.join(near_misses)}. Else one" if near_misses else "one"
    return CurateError(
        "the format of the data was not recognised",
        where=where,
        found=f"columns {', '.join(columns) or '(none)'}",
        expected=f"{hint} of the formats that 'curate list' shows",
        fix=fix,
    )


def _format_of_most_rows(candidates: list[Format], rows: RowSample) -> Format | None:
    """Return the format that more than half of the rows are of; None if there is none.

    Those rows are then malformed, each with its place and reason.
    """
    best, best_count = None, len(rows) // 2
    for candidate in candidates:
        if (count := _count_matching_rows(candidate, rows)) > best_count:
            best, best_count = candidate, count
    return best


def matches_most_rows(candidate: Format, rows: RowSample) -> bool:
    """Return whether most rows of a sample are of the format."""
    return matches_sample(candidate, rows) or _count_matching_rows(candidate, rows) > len(rows) // 2


def _count_matching_rows(candidate: Format, rows: RowSample) -> int:
    """Count the rows that are of the format, by themselves and together."""
    # With every column in every row: a column that only some have counts for all.
    names = dict.fromkeys(key for row in rows for key in row)
    complete_rows = (names | dict(row) for row in rows)
    matching_rows = [row for row in complete_rows if matches_sample(candidate, [row])]
    return len(matching_rows) if matches_sample(candidate, matching_rows) else 0


def _suggest_mapping(rows: RowSample, where: str) -> str:
    """Return how to map the columns, with the guess if it is complete."""
    guess = guess_columns(rows)
    in_shell = is_command_line()
    option = f'--columns "{guess.as_option()}"' if in_shell else f"columns={guess.as_mapping()}"
    has_prompt = "prompt" in guess.columns or "responses" in guess.columns
    if guess.is_complete and has_prompt and "answer" not in guess.columns:
        unsure = " (check what its labels mean)" if "label" in guess.unsure_keys else ""
        place = f"; in a pipeline input.columns, which {_init_command(where)} writes"
        return f"if this is what the columns hold{unsure}: {option}{place * in_shell}"
    is_single = matches_sample(SingleAnswers(), rows)
    if is_single or {"answer", "prompt"} <= guess.columns.keys():
        is_judged = {"score", "rank", "label"} & guess.columns.keys()
        kind = "one answer and what it is worth" if is_judged else "one answer and no rejected one"
        by_name = "--format answers" if in_shell else 'format="answers"'
        choice = by_name if is_single and not is_judged else option
        return f"if each row holds {kind}: {choice}; else {_mapping_fix(where)}"
    return _mapping_fix(where)


def _init_command(where: str) -> str:
    """Return the command that writes a mapping for a file, in quote marks."""
    return f"'curate init --data {shlex.quote(where) if Path(where).exists() else 'FILE'}'"


def _mapping_fix(where: str) -> str:
    """Return how a mapping of columns is written."""
    if not is_command_line():
        return (
            'say what the columns hold: columns={"prompt": ..., "chosen": ..., "rejected": ...} or '
            '{"prompt": ..., "first": ..., "second": ..., "label": ..., "first_wins": [...]}'
        )
    return (
        "say what the columns hold: --columns prompt=...,chosen=...,rejected=... or "
        "prompt=...,first=...,second=...,label=... (in a pipeline input.columns); "
        f"{_init_command(where)} writes a guess for each column"
    )
