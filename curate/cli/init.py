"""The commands `curate init` and `curate schema`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curate.cli.inputs import Columns, ConfigName, FormatName, Given, Split
from curate.errors import CurateError


def init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("pipeline.yaml"),
    data: Annotated[
        str | None, typer.Option(help="Data set that the pipeline reads; it is looked at.")
    ] = None,
    format: FormatName = "auto",
    columns: Columns = None,
    split: Split = None,
    config: ConfigName = None,
    recipe: Annotated[
        str | None, typer.Option(help="A published method: a name of 'curate list --recipes'.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace an existing file.")] = False,
) -> None:
    """Write a commented pipeline.yaml to start from, with what is found in the data."""
    from curate.cli.init_input import for_media, input_lines
    from curate.recipes import recipe_pipeline
    from curate.sample import default_pipeline

    given = Given(data or "data.jsonl", format, columns, split, config)
    lines = input_lines(given, look=data is not None)
    if recipe is None:
        text = default_pipeline(given.data, lines)
    else:
        text = recipe_pipeline(recipe, given.data, lines)
    if data is not None:
        text = for_media(text, given)
    if path.exists() and not overwrite:
        fix = "give another name, or --overwrite"
        raise CurateError("the file is there already", where=str(path), fix=fix)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CurateError("the file cannot be written", where=str(path), found=str(error)) from None
    typer.echo(f"wrote {path}; next: curate inspect {path}, curate run {path} --dry-run")


def schema() -> None:
    """Print the JSON schema of pipeline.yaml, for editors."""
    from curate.cli.safe import json_text
    from curate.pipeline.schema import pipeline_schema

    typer.echo(json_text(pipeline_schema()))
