"""The commands by which people judge a few drawn pairs, with the real paths of a dataset."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PAIRS_TO_JUDGE = 50
"""Pairs that a first draw takes: an interval of 14 to 24 points (docs/guides/people.md)."""
PIPELINE = "pipeline.yaml"
"""File that a dataset is curated by, where the dataset is named itself."""
_NO_NAME = re.compile(r"[^\w.-]+")
_ENDINGS = re.compile(r"(\.(jsonl?|ndjson|parquet|csv|tsv|arrow|ya?ml|gz|zst|bz2|xz|zip))+$")


@dataclass(frozen=True)
class JudgingCommands:
    """Commands to copy, in their order.

    Attributes:
        route: draws the pairs.
        review: shows them to a person, without their labels.
        audit: estimates the noise rate from the verdicts.
        run: curates the dataset with the verdicts.
        needs_pipeline: whether `run` takes `PIPELINE`, since the dataset is no pipeline itself.
    """

    route: str
    review: str
    audit: str
    run: str
    needs_pipeline: bool


def judging_commands(
    data: str | Path | None,
    pairs: int = PAIRS_TO_JUDGE,
    folder: str | Path | None = None,
    options: Sequence[str] = (),
    verdicts: Path | None = None,
) -> JudgingCommands:
    """Return the commands for a dataset, quoted for a shell.

    Args:
        data: the dataset as the command line names it (file, URL, hf:owner/name, run folder or
            pipeline.yaml); None where the caller does not know it.
        pairs: how many pairs to draw.
        folder: the folder of the draw; default `drawn_folder(data)`.
        options: options by which the dataset is read, such as `--columns` and its value.
        verdicts: file of verdicts, where it does not lie in the folder of the draw.

    Examples:
        >>> judging_commands("my prefs.jsonl").review
        'curate review my-prefs-drawn'
    """
    source = "DATA" if data is None else shlex.quote(str(data))
    read = " ".join((source, *map(shlex.quote, options)))
    draw_path = shlex.quote(str(folder or drawn_folder(data)))
    is_pipeline = str(data).endswith((".yaml", ".yml"))
    pipeline = source if is_pipeline else PIPELINE
    gold, sample = draw_path, ""
    if verdicts is not None:
        gold, sample = shlex.quote(str(verdicts)), f" --sample {draw_path}"
    return JudgingCommands(
        route=f"curate route {read} --random {pairs} --output {draw_path}",
        review=f"curate review {draw_path}",
        audit=f"curate audit {read} --gold {gold}{sample}",
        run=f"curate run {pipeline} --gold {gold}",
        needs_pipeline=not is_pipeline,
    )


def next_step_by_judging(data: str | Path | None, pairs: int = PAIRS_TO_JUDGE) -> str:
    """Return the advice to review a few pairs, with the three commands, one per line.

    Examples:
        >>> print(next_step_by_judging("prefs.jsonl"))
        Judge 50 pairs, drawn at random and shown without their labels:
          curate route prefs.jsonl --random 50 --output prefs-drawn
          curate review prefs-drawn
          curate audit prefs.jsonl --gold prefs-drawn
    """
    commands = judging_commands(data, pairs)
    lines = (commands.route, commands.review, commands.audit)
    intro = f"Judge {pairs} pairs, drawn at random and shown without their labels:"
    return "\n  ".join((intro, *lines))


def bench_command(data: str | Path | None) -> str:
    """Return the command that tests filters on the labels of a dataset as they are.

    Examples:
        >>> bench_command("my prefs.jsonl")
        "curate bench 'my prefs.jsonl' --noise none"
    """
    return f"curate bench {'DATA' if data is None else shlex.quote(str(data))} --noise none"


def drawn_folder(data: str | Path | None, kind: str = "drawn") -> str:
    """Return the default folder for a draw from a dataset, in the working directory.

    Examples:
        >>> drawn_folder("hf:owner/some-prefs")
        'some-prefs-drawn'
    """
    if data is None:
        return kind.upper()
    # Both separators: commands are copied between systems.
    name = str(data).removeprefix("hf:").rstrip("/\\").replace("\\", "/").rpartition("/")[2]
    stem = _NO_NAME.sub("-", _ENDINGS.sub("", name.partition("?")[0])).strip("-.")
    return f"{stem or 'pairs'}-{kind}"
