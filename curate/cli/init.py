"""The commands `curate init` and `curate schema`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curate.errors import CurateError


def init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("pipeline.yaml"),
    data: Annotated[str, typer.Option(help="Data set that the pipeline reads.")] = "data.jsonl",
    recipe: Annotated[
        str | None, typer.Option(help="A published method: a name of 'curate list --recipes'.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace an existing file.")] = False,
) -> None:
    """Write a commented pipeline.yaml to start from."""
    from curate.recipes import recipe_pipeline
    from curate.sample import default_pipeline

    text = default_pipeline(data) if recipe is None else recipe_pipeline(recipe, data)

    if path.exists() and not overwrite:
        fix = "give another name, or --overwrite"
        raise CurateError("the file is there already", where=str(path), fix=fix)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CurateError("the file cannot be written", where=str(path), found=str(error)) from None
    typer.echo(f"wrote {path}; next: curate run {path} --dry-run")


def schema() -> None:
    """Print the JSON schema of pipeline.yaml, for editors."""
    from curate.cli.safe import json_text
    from curate.pipeline.schema import pipeline_schema

    typer.echo(json_text(pipeline_schema()))
