"""The section `input` of a new pipeline.yaml, detected from the data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from curate.cli.console import show_warnings
from curate.cli.init_questions import ask_columns, counts_text, is_terminal
from curate.cli.inputs import DatasetOptions, parse_columns, source_arguments
from curate.errors import CurateError

if TYPE_CHECKING:
    from curate.read.column_guess import GuessedMapping
    from curate.read.formats.base import RowSample

_MAX_LABEL_VALUES = 8
_PAIRS_TO_INSPECT = 20
"""Pairs that are read to detect media answers."""
_MEDIA_EMBEDDERS = {
    "images": "sentence-transformers/clip-ViT-B-32",
    "audios": "laion/clap-htsat-unfused",
}


def input_lines(dataset: DatasetOptions, look: bool) -> str:
    """Return the lines of `input:` with the detected format, or a guessed column mapping.

    Args:
        dataset: the dataset and its reading options.
        look: whether to read its first rows; otherwise the format stays "auto".

    Raises:
        CurateError: the rows cannot be read, or do not match the given format.
    """
    lines = [
        f"  {key}: {_yaml_value(value)}" for key, value in source_arguments(dataset.data).items()
    ]
    lines += [
        f"  {key}: {_yaml_value(value)}"
        for key, value in (("split", dataset.split), ("config", dataset.config))
        if value is not None
    ]
    if dataset.columns is not None:
        mapping = parse_columns(dataset.columns).model_dump(exclude_unset=True)
        lines.append("  columns:")
        return "\n".join([*lines, *(f"    {k}: {_yaml_value(v)}" for k, v in mapping.items())])
    if not look or dataset.format != "auto":
        about = "" if dataset.format != "auto" else "   # or a format from: curate list"
        return "\n".join([*lines, f"  format: {dataset.format}{about}"])
    return "\n".join([*lines, *_detected_lines(dataset)])


def names_single_answers(lines: str) -> bool:
    """Return whether the lines of `input:` are for single answers, by format or mapping."""
    keys = set(re.findall(r"^    (answer|score|rank|label): ", lines, re.MULTILINE))
    is_format = re.search(r"^  format: (open_webui_)?answers\b", lines, re.MULTILINE) is not None
    return is_format or keys == {"answer"}


def adapt_to_media(text: str, dataset: DatasetOptions) -> str:
    """Adapt a pipeline to image or audio answers, if the first pairs have such answers.

    Args:
        text: a pipeline for text answers.
        dataset: the dataset; the text is unchanged if it cannot be read yet.
    """
    from curate.data.media_answers import media_answer_columns
    from curate.read.pairs import read_pairs

    try:
        config = dataset.input().model_copy(update={"limit": _PAIRS_TO_INSPECT})
        kinds = media_answer_columns(read_pairs(**dict(config)).frame)
    except CurateError:
        return text
    model = _MEDIA_EMBEDDERS.get(kinds[0]) if kinds else None
    if model is None:
        return text
    # No export is for audio answers; the pair table holds everything.
    export = "diffusers" if kinds == ["images"] else "pairs"
    replacements = {
        "embedder:": f"embedder: {{name: {model}}}   # folder or Hub name of an embedder",
        "scorers:": "scorers:\n  - {type: media_health}              # damaged, blank, tiny",
        "filters:": "filters:                              # in this order; each sees the "
        "pairs that earlier ones kept\n  - {type: threshold, column: media_health.damaged, max: 0}",
        "  format: trl ": f"  format: {export}   # or another one from: curate list",
    }
    lines = [
        next((new for start, new in replacements.items() if line.startswith(start)), line)
        for line in text.splitlines()
    ]
    return "\n".join([*lines, ""])


def _detected_lines(dataset: DatasetOptions) -> list[str]:
    from curate.read.column_guess import guess_columns
    from curate.read.formats import detect_format
    from curate.read.header_check import missing_header_fix
    from curate.read.pairs import sample_rows

    try:
        rows = sample_rows(dataset.input())
    except CurateError as error:
        show_warnings([f"{dataset.data}: could not inspect the file ({error.problem})"])
        rows = []
    if not rows:
        return ["  format: auto            # no rows found"]
    try:
        name = detect_format(rows, dataset.data).name
    except CurateError:
        # Values for names: no column could be named in a mapping.
        if missing_header_fix(rows) is not None:
            raise
        guess = guess_columns(rows)
        return _mapping_lines(rows, ask_columns(rows, guess) if is_terminal() else guess)
    return [f"  format: {name}            # detected from the first rows; others: curate list"]


def _mapping_lines(rows: RowSample, guess: GuessedMapping) -> list[str]:
    """Return a mapping of the file's columns, with a question at each uncertain guess."""
    names = list(dict.fromkeys(key for row in rows for key in row))
    lines = [
        "  # Unknown format: this mapping is a guess. Check it with: curate inspect",
        f"  # columns of the file: {', '.join(names)}",
        "  columns:",
    ]
    for key, column in guess.pair_columns().items():
        question = f"   # {_QUESTIONS[key]}" if key in guess.unsure_keys & set(_QUESTIONS) else ""
        lines.append(f"    {key}: {_yaml_value(column)}{question}")
        if key == "label" and guess.labels:
            lines += _label_lines(guess)
    if guess.vote_columns:
        lines += [f"    labels: {_yaml_value(guess.vote_columns)}", *_label_lines(guess)]
    if not guess.is_complete:
        lines += _missing_answer_lines(rows, guess)
    if "prompt" not in guess.columns:
        lines.append("    # Which column is the prompt?\n    # prompt: COLUMN")
    lines += [
        f"    # {key}: {_yaml_value(guess.columns[key])}   # is it the {key}?"
        for key in sorted(guess.unsure_keys)
        if key in guess.columns and key not in guess.pair_columns()
    ]
    return lines


_QUESTIONS = {"prompt": "is it the prompt?", "label": "does it say which answer won?"}


def _missing_answer_lines(rows: RowSample, guess: GuessedMapping) -> list[str]:
    """Return questions about the columns without which there is no pair."""
    from curate.read.label_guess import label_candidates

    if {"first", "second"} <= guess.columns.keys():
        candidates = label_candidates(rows, guess.remaining_columns) or {"COLUMN": {}}
        labels = (
            f"    # label: {_yaml_value(name)}" + f"   # {counts_text(counts)}" * bool(counts)
            for name, counts in candidates.items()
        )
        return [
            "    # Which column says which answer won, and by which values? Fill in and uncomment:",
            *labels,
            "    # first_wins: [VALUE]",
            "    # second_wins: [VALUE]",
            "    # tie: [VALUE]",
            "    # or, where each answer has a score: first_score: COLUMN, second_score: COLUMN",
        ]
    return [
        "    # Which columns hold the answers? Fill in and uncomment either",
        "    # chosen: COLUMN",
        "    # rejected: COLUMN",
        "    # or the two answers and the column with the winner:",
        "    # first: COLUMN",
        "    # second: COLUMN",
        "    # label: COLUMN         # or first_score and second_score",
    ]


def _label_lines(guess: GuessedMapping) -> list[str]:
    value_counts = counts_text(dict(list(guess.label_counts.items())[:_MAX_LABEL_VALUES]))
    question = "; is this what each means?" if "label" in guess.unsure_keys else ""
    lines = [f"    # its values in the first rows: {value_counts}{question}"]
    return lines + [
        f"    {key}: {_yaml_value(guess.labels.get(key, []))}"
        for key in ("first_wins", "second_wins", "tie")
    ]


def _yaml_value(value: object) -> str:
    """A value as YAML on one line."""
    import yaml

    # A wide line: the value stands behind a key, where a break would need indentation.
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10_000)
    # safe_dump ends a bare scalar by the mark of the document's end.
    return text.removesuffix("\n...\n").rstrip("\n")
