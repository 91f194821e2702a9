"""The section `input` of a new pipeline.yaml, from a look at the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curate.cli.console import show_warnings
from curate.cli.inputs import Given, parse_columns, place
from curate.errors import CurateError

if TYPE_CHECKING:
    from curate.read.column_guess import GuessedMapping
    from curate.read.formats.base import RowSample

_SHOWN = 8
_LOOKED_AT = 20
"""Pairs that are read to see whether answers are media."""
_MODELS = {
    "images": "sentence-transformers/clip-ViT-B-32",
    "audios": "laion/clap-htsat-unfused",
}


def input_lines(given: Given, look: bool) -> str:
    """The lines of `input:`; the format that was found, or a mapping with a guess for each column.

    Args:
        given: the data set as options name it.
        look: whether to read its first rows; where there is none yet, the format stays "auto".

    Raises:
        CurateError: the rows cannot be read, or are not of the format that is given.
    """
    lines = [f"  {key}: {_scalar(value)}" for key, value in place(given.data).items()]
    lines += [
        f"  {key}: {_scalar(value)}"
        for key, value in (("split", given.split), ("config", given.config))
        if value is not None
    ]
    if given.columns is not None:
        mapping = parse_columns(given.columns).model_dump(exclude_unset=True)
        lines.append("  columns:")
        return "\n".join([*lines, *(f"    {k}: {_scalar(v)}" for k, v in mapping.items())])
    if not look or given.format != "auto":
        about = (
            "" if given.format != "auto" else "   # or one of the formats that curate list shows"
        )
        return "\n".join([*lines, f"  format: {given.format}{about}"])
    return "\n".join([*lines, *_found(given)])


def for_media(text: str, given: Given) -> str:
    """A pipeline for answers that are images or audios, where the first pairs have such.

    Args:
        text: of a pipeline for texts.
        given: the data set; one that cannot be read yet changes nothing.
    """
    from curate.data.media_answers import answer_media
    from curate.read.pairs import read_pairs

    try:
        look = given.input().model_copy(update={"limit": _LOOKED_AT})
        kinds = answer_media(read_pairs(**dict(look)).frame)
    except CurateError:
        return text
    model = _MODELS.get(kinds[0]) if kinds else None
    if model is None:
        return text
    form = "diffusers" if kinds == ["images"] else "pairs"
    of = {
        "embedder:": f"embedder: {{name: {model}}}   # folder or hub name of a model of {kinds[0]}",
        "scorers:": "scorers:\n  - {type: media_health}              # damaged, blank, tiny",
        "filters:": "filters:                              # in this order; each sees what the "
        "earlier ones kept\n  - {type: threshold, column: media_health.damaged, max: 0}",
        "  format: trl ": f"  format: {form}   # 'curate list' shows the others",
    }
    lines = [
        next((new for start, new in of.items() if line.startswith(start)), line)
        for line in text.splitlines()
    ]
    return "\n".join([*lines, ""])


def _found(given: Given) -> list[str]:
    from curate.read.column_guess import guess_columns
    from curate.read.formats import detect_format
    from curate.read.pairs import sample_rows

    try:
        rows = sample_rows(given.input())
    except CurateError as error:
        show_warnings([f"{given.data}: nothing was looked at ({error.problem})"])
        rows = []
    if not rows:
        return ["  format: auto            # no row was found to look at"]
    try:
        name = detect_format(rows, given.data).name
    except CurateError:
        return _mapping(rows, guess_columns(rows))
    return [
        f"  format: {name}            # found in its first rows; or another that curate list shows"
    ]


def _mapping(rows: RowSample, guess: GuessedMapping) -> list[str]:
    """A mapping of the file's own columns, a comment where a guess is unsure."""
    names = list(dict.fromkeys(key for row in rows for key in row))
    lines = [
        "  # No known format: a guess from names and values. Check it with: curate inspect",
        f"  # columns of the file: {', '.join(names)}",
        "  columns:",
    ]
    for key, column in guess.pair_columns().items():
        lines.append(f"    {key}: {_scalar(column)}")
        if key == "label":
            lines += _labels(guess)
    if not guess.is_complete:
        lines += [
            "    # What holds the answers was not found. Give either",
            "    # chosen: COLUMN",
            "    # rejected: COLUMN",
            "    # or the two answers and the column that says which one won",
            "    # first: COLUMN",
            "    # second: COLUMN",
            "    # label: COLUMN         # or first_score and second_score",
        ]
    if "prompt" not in guess.columns:
        lines.append("    # prompt: COLUMN        # not found")
    lines += [
        f"    # {key}: {_scalar(guess.columns[key])}   # unsure"
        for key in sorted(guess.unsure_keys)
        if key in guess.columns and key not in guess.pair_columns()
    ]
    return lines


def _labels(guess: GuessedMapping) -> list[str]:
    seen = ", ".join(
        f"{value} ({count})" for value, count in list(guess.label_counts.items())[:_SHOWN]
    )
    unsure = "; say which value means what" if "label" in guess.unsure_keys else ""
    lines = [f"    # values of the label in the first rows: {seen}{unsure}"]
    return lines + [
        f"    {key}: {_scalar(guess.labels.get(key, []))}"
        for key in ("first_wins", "second_wins", "tie")
    ]


def _scalar(value: Any) -> str:
    """A value as YAML on one line."""
    import yaml

    text: str = yaml.safe_dump(value, default_flow_style=True, width=10_000)
    return text.removesuffix("\n...\n").rstrip("\n")
