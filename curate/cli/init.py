"""The commands `curate init` and `curate schema`."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from curate.cli.inputs import DatasetOptions
from curate.cli.options import Columns, ConfigName, FormatName, Split
from curate.errors import CurateError

SCHEMA_FILE = "curate.schema.json"
"""The schema beside a pipeline.yaml that `curate init` wrote."""


def init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("pipeline.yaml"),
    data: Annotated[
        str | None, typer.Option(help="Dataset to read; its format is detected.")
    ] = None,
    format: FormatName = "auto",
    columns: Columns = None,
    split: Split = None,
    config: ConfigName = None,
    goal: Annotated[
        str | None,
        typer.Option(
            help="What the dataset is for: denoise, deduplicate, decontaminate=FILE, shrink=PAIRS, "
            "balance, votes, safety, sft, on-policy=MODEL."
        ),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="Published method (see 'curate list --recipes').")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
) -> None:
    """Write a commented pipeline.yaml for your data; on a terminal, ask about unknown columns."""
    from curate.cli.init_input import adapt_to_media, input_lines
    from curate.write.file_output import check_output_file

    if path.exists() and not overwrite:
        fix = "choose another name, or use --overwrite"
        raise CurateError("the file already exists", where=str(path), fix=fix)
    # --overwrite must not replace the dataset itself.
    check_output_file(path, overwrite, [data])
    if goal is not None and recipe is not None:
        raise CurateError("give --goal or --recipe, not both", where="--goal, --recipe")
    dataset = DatasetOptions(data or "data.jsonl", format, columns, split, config)
    # Before the data is read: an unknown goal should cost no time.
    write_steps = _steps(goal, recipe)
    text = write_steps(dataset.data, input_lines(dataset, look=data is not None))
    _write_pipeline(text if data is None else adapt_to_media(text, dataset), path)


def _steps(goal: str | None, recipe: str | None) -> Callable[[str, str], str]:
    """Return what writes a pipeline.yaml from a dataset and the lines of its input."""
    from curate.cli.init_input import names_single_answers
    from curate.recipes import recipe_pipeline, recipe_text
    from curate.recipes.goals import Goal
    from curate.sample import default_pipeline

    if goal is not None:
        parsed = Goal.parse(goal)
        # Single answers have no wrong labels to drop: the default pipeline of theirs is for SFT.
        return lambda data, lines: (
            default_pipeline(data, lines, single_answers=True)
            if parsed.name == "sft" and names_single_answers(lines)
            else parsed.pipeline(data, lines)
        )
    if recipe is not None:
        recipe_text(recipe)
        return lambda data, lines: recipe_pipeline(recipe, data, lines, names_single_answers(lines))
    return lambda data, lines: default_pipeline(data, lines, names_single_answers(lines))


def _write_pipeline(text: str, path: Path) -> None:
    """Write the pipeline and, beside it, the schema by which editors check it."""
    schema_path = path.with_name(SCHEMA_FILE)
    try:
        path.write_text(f"# yaml-language-server: $schema={SCHEMA_FILE}\n{text}", encoding="utf-8")
        is_schema_written = _write_schema(schema_path)
    except OSError as error:
        where = str(error.filename or path)
        raise CurateError("the file cannot be written", where=where, found=str(error)) from None
    also = f", and {schema_path} for editors" if is_schema_written else ""
    name = shlex.quote(str(path))
    typer.echo(f"wrote {path}{also}; next:")
    typer.echo(f"  curate inspect {name}\n  curate run {name} --dry-run")


def _write_schema(path: Path) -> bool:
    """Write the schema, unless it is there; return whether it is.

    A file that holds something else is kept.
    """
    from curate.cli.safe import json_text
    from curate.pipeline.schema import pipeline_schema
    from curate.steps.entries import filter_names, scorer_names
    from curate.versions import versions
    from curate.write.contents import MADE_BY, read_completion_file
    from curate.write.file_output import is_curate_file

    steps = len(scorer_names()) + len(filter_names())
    made_by = f"curate {versions()['curate']}, {steps} steps"
    if path.exists() and (read_completion_file(path) or {}).get(MADE_BY) == made_by:
        return True
    if path.exists() and not is_curate_file(path):
        return False
    path.write_text(json_text(pipeline_schema() | {MADE_BY: made_by}), encoding="utf-8")
    return True


def schema() -> None:
    """Print the JSON schema of pipeline.yaml, for editors."""
    from curate.cli.safe import json_text
    from curate.pipeline.schema import pipeline_schema

    typer.echo(json_text(pipeline_schema()))
