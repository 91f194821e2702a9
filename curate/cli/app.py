"""The command line. Heavy libraries are imported inside the commands."""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer

from curate.cli.bench import bench
from curate.cli.cache import cache
from curate.cli.derive import derive
from curate.cli.explain import explain
from curate.cli.export import export, push
from curate.cli.inputs import Data, FormatName, Limit, Split, read_data
from curate.cli.people import merge, route
from curate.cli.report import apply, compare, report, review
from curate.cli.worth import worth
from curate.errors import CurateError

app = typer.Typer(
    help="Curate and denoise preference data for DPO, reward models and RLHF.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ConfigPath = Annotated[Path, typer.Argument(help="The pipeline.yaml.", show_default=True)]


_HEAD = 100
"""Pairs that a dry run reads."""


def main() -> None:
    """Run the command line: exit code 0 done, 2 the user's mistake, 1 a bug."""
    try:
        app()
    except CurateError as error:
        from curate.cli.console import show_error

        show_error(error)
        sys.exit(2)
    except Exception:
        traceback.print_exc()
        print("\nThis is a bug in curate: please report it with the lines above.", file=sys.stderr)
        sys.exit(1)


@app.command()
def run(
    config: ConfigPath = Path("pipeline.yaml"),
    sample: Annotated[
        bool, typer.Option("--sample", help="Run the default pipeline on the bundled sample.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check configuration and data, show the plan.")
    ] = False,
    limit: Limit = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the run.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace a finished run.")] = False,
) -> None:
    """Read, score, filter and write preference pairs as pipeline.yaml says."""
    from curate.cli.console import console_progress, show_result

    pipeline = _pipeline(config, sample, limit)
    folder = output or Path(pipeline.config.output.path)
    if dry_run:
        _dry_run(pipeline, folder)
        return
    with console_progress() as progress:
        result = pipeline.run(output=folder, overwrite=overwrite, progress=progress)
    show_result(result)


def _pipeline(config: Path, sample: bool, limit: int | None) -> Any:
    from curate.pipeline.config import load_config, parse_config
    from curate.pipeline.run import Pipeline
    from curate.pipeline.yaml_places import load_yaml
    from curate.sample import SAMPLE_DATA, default_pipeline

    if sample:
        data, places = load_yaml(default_pipeline(str(SAMPLE_DATA)), "the default pipeline")
        parsed = parse_config(data, places)
    else:
        parsed, places = load_config(config)
    if limit is not None and parsed.input is not None:
        parsed = parsed.model_copy(
            update={"input": parsed.input.model_copy(update={"limit": limit})}
        )
    return Pipeline(parsed, places)


def _dry_run(pipeline: Any, folder: Path) -> None:
    from curate.cli.console import show_plan

    pairs = pipeline.read(limit=_HEAD)
    show_plan(pipeline.plan, {"format": pairs.format, "pairs": len(pairs)}, str(folder))


@app.command("list")
def list_steps(
    name: Annotated[str | None, typer.Argument(help="Show this scorer or filter in full.")] = None,
    recipes: Annotated[
        bool, typer.Option("--recipes", help="List published methods for 'curate init --recipe'.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List scorers and filters with parameters, columns and directions; formats and exports."""
    if recipes:
        _list_recipes(as_json)
        return
    from curate.cli.console import show_catalogue, show_step
    from curate.cli.list_steps import list_of_steps
    from curate.errors import suggestion

    found = list_of_steps()
    steps = found["scorers"] | found["filters"]
    if name is not None and name not in steps:
        fix = suggestion(name, steps)
        raise CurateError("no such scorer or filter", found=repr(name), fix=fix)
    if as_json:
        typer.echo(json.dumps(found if name is None else steps[name], indent=2, ensure_ascii=False))
    elif name is None:
        show_catalogue(found)
    else:
        show_step(name, steps[name])


def _list_recipes(as_json: bool) -> None:
    from curate.cli.console import show_recipes
    from curate.recipes import recipe_names

    found = recipe_names()
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        show_recipes(found)


@app.command()
def inspect(
    data: Data,
    format: FormatName = "auto",
    split: Split = None,
    limit: Limit = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a data set holds: format, rows, turns, lengths, ties, annotators, duplicates."""
    from curate.cli.console import console_progress, show_facts
    from curate.read.inspection import inspect_pairs

    with console_progress() as progress:
        pairs = read_data(data, format, split, limit, progress)
    facts = inspect_pairs(pairs)
    if as_json:
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    show_facts(facts)


@app.command()
def audit(
    data: Data,
    against: Annotated[
        str | None, typer.Option(help="Another data set: which prompts do both hold?")
    ] = None,
    format: FormatName = "auto",
    split: Split = None,
    limit: Limit = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")] = Path(
        "audit.json"
    ),
    style_columns: Annotated[
        list[str] | None,
        typer.Option("--style-column", help="Key of extra that stands beside the traits of style."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Causal model whose ranking accuracy is measured.")
    ] = None,
    beta: Annotated[float, typer.Option(min=1e-6, help="Of DPO, beside --model.")] = 0.1,
    disagreement: Annotated[
        bool, typer.Option("--disagreement", help="Split labels: shared, taste, cycle, flip.")
    ] = False,
) -> None:
    """Tell how noisy a data set is, and what its labels lean on."""
    from curate.audit.command import audit as run_audit
    from curate.cli.console import console_progress
    from curate.cli.show_audit import show_audit
    from curate.steps.models import ModelSpec
    from curate.write.shards import write_json

    with console_progress() as progress:
        pairs = read_data(data, format, split, limit, progress)
        other = None
        if against is not None:
            other = read_data(against, "auto", None, None, progress)
        spec = None if model is None else ModelSpec(name=model)
        columns = tuple(style_columns or ())
        found = run_audit(
            pairs,
            progress,
            other,
            style_columns=columns,
            model=spec,
            beta=beta,
            disagreement=disagreement,
        )
    show_audit(found)
    try:
        write_json(found, output)
    except OSError as error:
        raise CurateError(
            "the file cannot be written", where=str(output), found=str(error)
        ) from None
    typer.echo(f"written: {output}")


app.command()(bench)
app.command()(worth)
app.command()(explain)
app.command()(derive)
app.command()(export)
app.command()(push)
app.command()(route)
app.command()(merge)
app.command()(report)
app.command()(compare)
app.command()(review)
app.command()(apply)
app.command()(cache)


@app.command()
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


@app.command()
def schema() -> None:
    """Print the JSON schema of pipeline.yaml, for editors."""
    from curate.pipeline.schema import pipeline_schema

    typer.echo(json.dumps(pipeline_schema(), indent=2, ensure_ascii=False))


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"curate {version('curate-preferences')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Curate and denoise preference data for DPO, reward models and RLHF."""
