"""What `curate init` asks on a terminal: the columns that it did not find, or is not sure of."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from curate.cli.safe import visible

if TYPE_CHECKING:
    from curate.read.column_guess import GuessedMapping
    from curate.read.formats.base import RowSample

NONE = "none"
"""Answer for a column that the file does not have."""
_SIDES = {"first": "first_wins", "second": "second_wins", "tie": "tie"}
_QUESTIONS = {
    "prompt": "Which column holds the prompt?",
    "first": "Which column holds an answer?",
    "second": "Which column holds the other answer?",
    "label": "Which column says which answer won?",
}


def is_terminal() -> bool:
    """Return whether somebody can answer: input and output are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def ask_columns(rows: RowSample, guess: GuessedMapping) -> GuessedMapping:
    """Return the mapping with what the user says of columns that are missing or uncertain.

    Args:
        rows: a sample of the file.
        guess: the mapping that was guessed, whose columns are proposed.
    """
    from curate.read.label_guess import label_candidates

    names = list(dict.fromkeys(key for row in rows for key in row))
    typer.echo(f"columns of the file: {visible(', '.join(names))}")
    open_keys = [key for key in _QUESTIONS if _is_open(key, guess)]
    columns = dict(guess.columns)
    for key in open_keys:
        proposal = columns.pop(key, None)
        if key == "label":
            free_names = [name for name in names if name not in columns.values()]
            candidates = label_candidates(rows, free_names)
            for name, counts in candidates.items():
                typer.echo(f"  {visible(name)}: {visible(counts_text(counts))}")
            proposal = proposal or next(iter(candidates), None)
        column = _ask(_QUESTIONS[key], [*names, NONE], proposal or NONE)
        if column != NONE:
            columns[key] = column
    guess = replace(guess, columns=columns, unsure_keys=guess.unsure_keys - set(open_keys))
    return _ask_label_values(rows, guess) if "label" in open_keys and "label" in columns else guess


def _is_open(key: str, guess: GuessedMapping) -> bool:
    """Return whether the column of a key is missing where it is needed, or uncertain."""
    if key in guess.unsure_keys:
        return True
    if key != "prompt" and guess.is_complete:
        return False
    return key not in guess.columns


def counts_text(counts: Mapping[object, int]) -> str:
    """Return values with how often each occurs: "A (3), B (2)"."""
    return ", ".join(f"{value} ({count})" for value, count in counts.items())


def _ask_label_values(rows: RowSample, guess: GuessedMapping) -> GuessedMapping:
    """Return the mapping with the meaning of each value of the label."""
    from curate.read.label_guess import value_counts

    counts = value_counts(rows, guess.columns["label"])
    guessed_keys = {value: key for key, values in guess.labels.items() for value in values}
    sides = {key: side for side, key in _SIDES.items()}
    labels: dict[str, list[object]] = {key: [] for key in _SIDES.values()}
    for value, count in counts.items():
        question = f"Who wins where it is {visible(repr(value))} ({count} of {len(rows)} rows)?"
        side = _ask(question, [*_SIDES, NONE], sides.get(guessed_keys.get(value, ""), NONE))
        if side != NONE:
            labels[_SIDES[side]].append(value)
    return replace(guess, labels=labels, label_counts=dict(counts))


def _ask(question: str, choices: list[str], proposal: str) -> str:
    """Return one of the choices; the question is asked again until it is one."""
    while True:
        answer: str = typer.prompt(question, default=proposal)
        if answer in choices:
            return answer
        typer.echo(f"one of: {visible(', '.join(choices))}")
