"""The commands `curate init` and `curate schema`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curate.cli.inputs import DatasetOptions
from curate.cli.options import Columns, ConfigName, FormatName, Split
from curate.errors import CurateError


def init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("pipeline.yaml"),
    data: Annotated[
        str | None, typer.Option(help="Dataset to read; its format is detected.")
    ] = None,
    format: FormatName = "auto",
    columns: Columns = None,
    split: Split = None,
    config: ConfigName = None,
    recipe: Annotated[
        str | None, typer.Option(help="Published method (see 'curate list --recipes').")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
) -> None:
    """Write a commented pipeline.yaml for your data."""
    from curate.cli.init_input import adapt_to_media, input_lines, names_single_answers
    from curate.recipes import recipe_pipeline
    from curate.sample import default_pipeline
    from curate.write.file_output import check_output_file

    if path.exists() and not overwrite:
        fix = "choose another name, or use --overwrite"
        raise CurateError("the file already exists", where=str(path), fix=fix)
    # --overwrite must not replace the dataset itself.
    check_output_file(path, overwrite, [data])
    dataset = DatasetOptions(data or "data.jsonl", format, columns, split, config)
    lines = input_lines(dataset, look=data is not None)
    source = (dataset.data, lines, names_single_answers(lines))
    text = default_pipeline(*source) if recipe is None else recipe_pipeline(recipe, *source)
    if data is not None:
        text = adapt_to_media(text, dataset)
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
