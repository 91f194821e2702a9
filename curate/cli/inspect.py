"""The command `curate inspect`."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer

from curate.cli.inputs import DatasetOptions
from curate.cli.options import Columns, ConfigName, Data, FormatName, Json, Limit, Split

if TYPE_CHECKING:
    from curate.read.file_kinds import FileKind


def inspect(
    data: Data,
    format: FormatName = "auto",
    columns: Columns = None,
    split: Split = None,
    config: ConfigName = None,
    limit: Limit = None,
    as_json: Json = False,
) -> None:
    """Show what a dataset contains, and how its first pair was read."""
    from curate.cli.console import show_kinds, show_pair, show_summary
    from curate.cli.progress import console_progress
    from curate.cli.safe import json_text
    from curate.read.inspection import first_pair, inspect_pairs

    reading = (data, format, columns, split, config, limit)
    dataset = DatasetOptions(*reading, prints_notes=False, takes_single_answers=True)
    if kinds := _several_kinds(dataset):
        if as_json:
            typer.echo(json_text({"kinds": [kind.to_json() for kind in kinds]}))
        else:
            show_kinds(data, kinds)
        return
    with TemporaryDirectory() as scratch:
        with console_progress() as progress:
            pairs = dataset.read(progress, Path(scratch))
        summary, first = inspect_pairs(pairs), first_pair(pairs)
    if as_json:
        typer.echo(json_text(summary.to_json() | {"first_pair": first}))
        return
    show_summary(summary)
    show_pair(first)


def _several_kinds(dataset: DatasetOptions) -> list[FileKind]:
    """Return the kinds of the files of a dataset; nothing unless there are several."""
    from curate.read.file_kinds import files_by_kind
    from curate.read.pairs import input_sources
    from curate.write.run_files import is_run

    is_given = dataset.format != "auto" or dataset.columns is not None
    if is_given or dataset.is_pipeline or is_run(dataset.data):
        return []
    sources = input_sources(dataset.input())
    kinds = files_by_kind(sources) if len(sources) > 1 else []
    return kinds if len(kinds) > 1 else []
