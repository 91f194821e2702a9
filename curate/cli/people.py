"""The commands `curate route` and `curate merge`."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from curate.cli.inputs import DatasetOptions
from curate.cli.options import (
    Columns,
    ConfigName,
    Data,
    FormatName,
    Limit,
    OutputFolder,
    OverwriteFolder,
    Seed,
    Split,
)
from curate.errors import CurateError


def route(
    data: Data,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for the task files (default: DATA-drawn)."),
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option(min=1, help="Number of pairs of a run to send for review, most urgent first."),
    ] = None,
    random: Annotated[
        int | None,
        typer.Option(min=1, help="Draw this many random pairs of a dataset or run, for --gold."),
    ] = None,
    stratified: Annotated[
        int | None,
        typer.Option(min=1, help="Draw this many pairs of a run, with more doubtful labels."),
    ] = None,
    to: Annotated[
        str,
        typer.Option("--to", help="Annotation tool: label_studio, argilla or pairs (JSON lines)."),
    ] = "label_studio",
    by: Annotated[
        list[str] | None,
        typer.Option(help="Uncertainty score; repeat (default: all that apply)."),
    ] = None,
    gains: Annotated[
        Path | None,
        typer.Option(help="JSON file of coefficients such as {'overlap=high': 0.4}."),
    ] = None,
    fit: Annotated[
        str | None,
        typer.Option(help="Annotator that is a model: learn where people add most."),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            help="Column or key of extra for --fit to route by; repeat (default: source)."
        ),
    ] = None,
    per_prompt: Annotated[int, typer.Option(min=1, help="Maximum pairs per prompt.")] = 1,
    kept_only: Annotated[
        bool, typer.Option("--kept-only", help="Skip pairs that filters dropped.")
    ] = False,
    format: FormatName = "auto",
    columns: Columns = None,
    split: Split = None,
    config: ConfigName = None,
    limit: Limit = None,
    seed: Seed = 0,
    overwrite: OverwriteFolder = False,
) -> None:
    """Choose pairs for human review, for `curate review` or another tool."""
    from curate.cli.progress import console_progress
    from curate.cli.show_results import show_routed
    from curate.people.draw import Sampling
    from curate.people.drawn_tasks import draw_from_data
    from curate.people.route import route as run_route
    from curate.people.tasks import MARK, Choice, check_tool
    from curate.steps.next_steps import drawn_folder
    from curate.write.run_files import is_run
    from curate.write.run_folder import check_free

    counts = {"budget": budget, "random": random, "stratified": stratified}
    methods = {name: count for name, count in counts.items() if count is not None}
    if len(methods) != 1:
        raise CurateError(
            "give one of --budget, --random and --stratified", found=", ".join(methods) or "none"
        )
    ((method, count),) = methods.items()
    samplings: dict[str, Sampling] = {"random": "random", "stratified": "stratified"}
    by_urgency = {
        "--by": bool(by),
        "--gains": gains is not None,
        "--per-prompt": per_prompt != 1,
        "--kept-only": kept_only,
    }
    unused = [option for option, is_given in by_urgency.items() if is_given and method != "budget"]
    if unused:
        reason = "a random sample ignores scores"
        raise CurateError("the option needs --budget", where=", ".join(unused), found=reason)
    if tag and fit is None:
        raise CurateError("--tag needs --fit", where="--tag", found=", ".join(tag))
    if fit is not None and (gains is not None or method != "budget"):
        raise CurateError("--fit needs --budget and excludes --gains", where="--fit")
    choice = Choice(
        count,
        to,
        list(by or ()),
        _read_coefficients(gains),
        per_prompt,
        not kept_only,
        seed,
        samplings.get(method),
        fit,
        tag,
    )
    check_tool(to)
    folder = output or Path(drawn_folder(data, "drawn" if choice.sampling else "routed"))
    dataset = DatasetOptions(data, format, columns, split, config, limit)
    with console_progress() as progress, TemporaryDirectory() as scratch:
        if is_run(data):
            dataset.reject_reading_options("a run's pairs are read already")
            routed = run_route(data, folder, choice, overwrite, progress)
        elif method == "random":
            check_free(folder, overwrite, MARK, data)
            pairs = dataset.read(progress, Path(scratch))
            options = dataset.reading_options()
            routed = draw_from_data(pairs, data, options, folder, choice, overwrite)
        else:
            raise CurateError(
                f"--{method} needs the scores of a run",
                where=data,
                found="a dataset",
                fix="give the folder of a run, or use --random",
            )
    show_routed(routed)


def merge(
    data: Annotated[str, typer.Argument(help="Folder of a run, or a dataset.")],
    verdicts: Annotated[list[Path], typer.Argument(help="Verdict files.")],
    output: OutputFolder,
    overwrite: OverwriteFolder = False,
) -> None:
    """Add reviewers' verdicts to the pairs as extra votes."""
    from curate.cli.progress import console_progress
    from curate.cli.show_results import show_merged
    from curate.people.merge import merge_files

    with console_progress() as progress:
        merged = merge_files(data, verdicts, output, overwrite, progress)
    show_merged(merged, output)


def _read_coefficients(path: Path | None) -> dict[str, float]:
    if path is None:
        return {}
    try:
        coefficients = json.loads(path.read_text(encoding="utf-8"))
        return {str(key): float(value) for key, value in coefficients.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise CurateError(
            "cannot read the gains",
            where=str(path),
            found=str(error),
            expected='a JSON object of numbers, such as {"overlap=high": 0.4}',
        ) from None
