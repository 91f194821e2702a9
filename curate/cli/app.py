"""The command line. Heavy libraries are imported inside the commands."""

from __future__ import annotations

import errno
import signal
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from curate.cli.bench import bench
from curate.cli.cache import cache
from curate.cli.derive import derive
from curate.cli.explain import explain
from curate.cli.export import export, push
from curate.cli.inputs import Data, FormatName, Limit, Split, read_data
from curate.cli.new import new
from curate.cli.people import merge, route
from curate.cli.report import apply, compare, report, review
from curate.cli.worth import worth
from curate.errors import CurateError


class _Group(TyperGroup):
    """Commands; a file that ends too early is never taken for a user who ends the input."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; click would print "Aborted." for an EOFError."""
        try:
            return super().invoke(ctx)
        except EOFError as error:
            raise RuntimeError(f"data ended too early: {error}") from error


app = typer.Typer(
    cls=_Group,
    help="Curate and denoise preference data for DPO, reward models and RLHF.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

LOOK, CURATE, PROVE = "Look at data and runs", "Curate", "Prove that it helps"
PEOPLE, PUBLISH = "People in the loop", "Write for a trainer, publish"
"""Groups of commands in --help."""

ConfigPath = Annotated[Path, typer.Argument(help="The pipeline.yaml.", show_default=True)]


_HEAD = 100
"""Pairs that a dry run reads."""


def main() -> None:
    """Run the command line: exit code 0 done, 2 the user's mistake, 1 a bug."""
    _end_by_signals()
    try:
        app()
    except CurateError as error:
        _fail(error)
    except MemoryError:
        _fail(CurateError("the memory is full", fix="use --limit, or a machine with more of it"))
    except OSError as error:
        if error.errno not in _OF_THE_SYSTEM:
            _report_bug()
        where = str(error.filename) if error.filename else None
        _fail(CurateError("the system refuses", where=where, found=error.strerror))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # libraries in Rust raise panics, which are no Exception
        _report_bug()


_OF_THE_SYSTEM = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EIO,
}
"""Errors of the disk and its rights, wherever they come: never a bug."""


def _fail(error: CurateError) -> NoReturn:
    from curate.cli.console import show_error

    show_error(error)
    sys.exit(2)


def _report_bug() -> NoReturn:
    from curate.cli.safe import visible
    from curate.errors import mask_text

    text = "\n".join(visible(mask_text(line)) for line in traceback.format_exc().splitlines())
    print(text, file=sys.stderr)
    print("\nThis is a bug in curate: please report it with the lines above.", file=sys.stderr)
    sys.exit(1)


def _end_by_signals() -> None:
    """SIGTERM and SIGHUP end the process as an error does: what is half written is removed."""

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), end)


@app.command(rich_help_panel=CURATE)
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
    from curate.cli.console import console_progress, show_result, show_warnings

    pipeline = _pipeline(config, sample, limit)
    show_warnings(pipeline.plan.notices())
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


@app.command("list", rich_help_panel=LOOK)
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
    from curate.cli.console import show_list, show_step
    from curate.cli.list_steps import list_of_steps
    from curate.cli.safe import json_text
    from curate.errors import suggestion

    found = list_of_steps()
    steps = found["scorers"] | found["filters"]
    places = found["formats"] | found["exports"]
    if name in places and name not in steps:
        kinds = [k for k in ("formats", "exports") if name in found[k]]
        told = {kind.removesuffix("s"): found[kind][name] for kind in kinds}
        typer.echo(json_text(told) if as_json else "\n".join(f"{k}: {v}" for k, v in told.items()))
        return
    if name is not None and name not in steps:
        fix = suggestion(name, [*steps, *places])
        raise CurateError("no such scorer, filter, format or export", found=repr(name), fix=fix)
    if as_json:
        typer.echo(json_text(found if name is None else steps[name]))
    elif name is None:
        show_list(found)
    else:
        show_step(name, steps[name])


def _list_recipes(as_json: bool) -> None:
    from curate.cli.console import show_recipes
    from curate.cli.safe import json_text
    from curate.recipes import recipe_names

    found = recipe_names()
    if as_json:
        typer.echo(json_text(found))
    else:
        show_recipes(found)


@app.command(rich_help_panel=LOOK)
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


@app.command(rich_help_panel=LOOK)
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


app.command(rich_help_panel=PROVE)(bench)
app.command(rich_help_panel=PROVE)(worth)
app.command(rich_help_panel=LOOK)(explain)
app.command(rich_help_panel=CURATE)(derive)
app.command(rich_help_panel=PUBLISH)(export)
app.command(rich_help_panel=PUBLISH)(push)
app.command(rich_help_panel=PEOPLE)(route)
app.command(rich_help_panel=PEOPLE)(merge)
app.command(rich_help_panel=LOOK)(report)
app.command(rich_help_panel=PROVE)(compare)
app.command(rich_help_panel=PEOPLE)(review)
app.command(rich_help_panel=PEOPLE)(apply)
app.command(rich_help_panel=CURATE)(cache)
app.command(rich_help_panel=CURATE)(new)


@app.command(rich_help_panel=CURATE)
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


@app.command(rich_help_panel=CURATE)
def schema() -> None:
    """Print the JSON schema of pipeline.yaml, for editors."""
    from curate.cli.safe import json_text
    from curate.pipeline.schema import pipeline_schema

    typer.echo(json_text(pipeline_schema()))


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
