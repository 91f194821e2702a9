"""The command `curate inspect`."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import typer

from curate.cli.inputs import DatasetOptions
from curate.cli.options import Columns, ConfigName, Data, FormatName, Json, Limit, Split


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
    from curate.cli.console import show_pair, show_summary
    from curate.cli.progress import console_progress
    from curate.cli.safe import json_text
    from curate.read.inspection import first_pair, inspect_pairs

    reading = (data, format, columns, split, config, limit)
    dataset = DatasetOptions(*reading, prints_notes=False, takes_single_answers=True)
    with TemporaryDirectory() as scratch:
        with console_progress() as progress:
            pairs = dataset.read(progress, Path(scratch))
        summary, first = inspect_pairs(pairs), first_pair(pairs)
    if as_json:
        typer.echo(json_text(summary.to_json() | {"first_pair": first}))
        return
    show_summary(summary)
    show_pair(first)
