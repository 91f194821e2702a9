"""The command `curate diff`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from curate.cli.audit import read_prompts
from curate.cli.inputs import DatasetOptions
from curate.cli.options import Columns, ConfigName, FormatName, Json, Split

if TYPE_CHECKING:
    from curate.read.pairs import Pairs
    from curate.steps.context import Progress

_Version = "File, glob, folder, URL, hf:owner/name, or a run's folder (its kept pairs)."


def diff(
    old: Annotated[str, typer.Argument(help=f"Earlier version. {_Version}")],
    new: Annotated[str, typer.Argument(help="Later version, likewise.")],
    against: Annotated[
        str | None,
        typer.Option(help="Evaluation set: count its prompts that both versions contain."),
    ] = None,
    noise: Annotated[
        bool, typer.Option("--noise", help="Also estimate the wrong labels of both (embeds them).")
    ] = False,
    format: FormatName = "auto",
    columns: Columns = None,
    split: Split = None,
    config: ConfigName = None,
    as_json: Json = False,
) -> None:
    """Compare two versions of a dataset: pairs added, removed, relabelled, and other changes."""
    from curate.auditing.dataset_diff import DiffOptions, diff_datasets
    from curate.cli.progress import console_progress
    from curate.cli.safe import json_text
    from curate.cli.show_diff import show_diff

    reading = (format, columns, split, config)
    with console_progress() as progress:
        first, second = (
            read_version(DatasetOptions(data, *reading), progress) for data in (old, new)
        )
        evaluation = None if against is None else read_prompts(against, progress)
        result = diff_datasets(first, second, DiffOptions(evaluation, noise, progress))
    if as_json:
        typer.echo(json_text(result.to_json()))
    else:
        show_diff(result)


def read_version(dataset: DatasetOptions, progress: Progress) -> Pairs:
    """Return the kept pairs of a run, or all pairs of another dataset."""
    import polars as pl

    from curate.read.pairs import Pairs
    from curate.write.run_files import RunFiles, is_run

    if not is_run(dataset.data):
        return dataset.read(progress)
    dataset.reject_reading_options("a run's pairs are read already")
    return Pairs(pl.concat(RunFiles(dataset.data).kept_batches()))
