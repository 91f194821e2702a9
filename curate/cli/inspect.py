"""The command `curate inspect`."""

from __future__ import annotations

from typing import Annotated

import typer

from curate.cli.inputs import Data, FormatName, Limit, Split, read_data


def inspect(
    data: Data,
    format: FormatName = "auto",
    split: Split = None,
    limit: Limit = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a data set holds: format, rows, turns, lengths, ties, annotators, duplicates."""
    from curate.cli.console import console_progress, show_facts
    from curate.cli.safe import json_text
    from curate.read.inspection import inspect_pairs

    with console_progress() as progress:
        pairs = read_data(data, format, split, limit, progress)
    facts = inspect_pairs(pairs)
    if as_json:
        typer.echo(json_text(facts))
        return
    show_facts(facts)
