"""The commands `curate route` and `curate merge`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Literal, cast

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

if TYPE_CHECKING:
    from curate.people.tasks import RoutingChoice, RoutingResult


_Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Folder for the task files (default: DATA-drawn)."),
]
_Budget = Annotated[
    int | None,
    typer.Option(min=1, help="Number of pairs of a run to send for review, most urgent first."),
]
_Random = Annotated[
    int | None,
    typer.Option(min=1, help="Draw this many random pairs of a dataset or run, for --gold."),
]
_Stratified = Annotated[
    int | None,
    typer.Option(min=1, help="Draw this many pairs of a run, with more doubtful labels."),
]
_Active = Annotated[
    int | None,
    typer.Option(min=1, help="Draw this many pairs of a run one by one, doubtful ones more often."),
]
_To = Annotated[
    str,
    typer.Option("--to", help="Annotation tool: label_studio, argilla or pairs (JSON lines)."),
]
_By = Annotated[
    list[str] | None,
    typer.Option(help="Uncertainty score; repeat (default: all that apply)."),
]
_Gains = Annotated[
    Path | None,
    typer.Option(help="JSON file of coefficients such as {'overlap=high': 0.4}."),
]
_Fit = Annotated[
    str | None,
    typer.Option(help="Annotator that is a model: learn where people add most."),
]
_Tag = Annotated[
    list[str] | None,
    typer.Option(help="Column or key of extra for --fit to route by; repeat (default: source)."),
]
_PerPrompt = Annotated[int, typer.Option(min=1, help="Maximum pairs per prompt.")]
_KeptOnly = Annotated[bool, typer.Option("--kept-only", help="Skip pairs that filters dropped.")]


def route(
    data: Data,
    output: _Output = None,
    budget: _Budget = None,
    random: _Random = None,
    stratified: _Stratified = None,
    active: _Active = None,
    to: _To = "label_studio",
    by: _By = None,
    gains: _Gains = None,
    fit: _Fit = None,
    tag: _Tag = None,
    per_prompt: _PerPrompt = 1,
    kept_only: _KeptOnly = False,
    format: FormatName = "auto",
    columns: Columns = None,
    split: Split = None,
    config: ConfigName = None,
    limit: Limit = None,
    seed: Seed = 0,
    overwrite: OverwriteFolder = False,
) -> None:
    """Choose pairs for human review, for `curate review` or another tool."""
    from curate.cli.show_results import show_routed
    from curate.people.tasks import RoutingChoice, check_tool
    from curate.steps.next_steps import drawn_folder

    counts = {"budget": budget, "random": random, "stratified": stratified, "active": active}
    method, count = _single_method(counts)
    if method != "budget":
        _reject_ranking_options(by, gains, per_prompt, kept_only)
    _check_fit_options(fit, tag, gains, method)
    check_tool(to)
    ranking = (list(by or ()), _read_coefficients(gains), per_prompt, not kept_only)
    sampling = None if method == "budget" else method
    choice = RoutingChoice(count, to, *ranking, seed, sampling, fit, tag)
    folder = output or Path(drawn_folder(data, "drawn" if sampling else "routed"))
    dataset = DatasetOptions(data, format, columns, split, config, limit)
    show_routed(_choose_pairs(dataset, folder, choice, overwrite))


_Method = Literal["budget", "random", "stratified", "active"]


def _single_method(counts: Mapping[str, int | None]) -> tuple[_Method, int]:
    """Return the only method that is given, with its number of pairs."""
    methods = [(name, count) for name, count in counts.items() if count is not None]
    if len(methods) != 1:
        names = ", ".join(name for name, _ in methods)
        raise CurateError(
            "give one of --budget, --random, --stratified and --active", found=names or "none"
        )
    name, count = methods[0]
    return cast("_Method", name), count


def _reject_ranking_options(
    by: list[str] | None, gains: Path | None, per_prompt: int, kept_only: bool
) -> None:
    """Reject options that only rank pairs: a random sample ignores scores."""
    is_given = {
        "--by": bool(by),
        "--gains": gains is not None,
        "--per-prompt": per_prompt != 1,
        "--kept-only": kept_only,
    }
    unused = ", ".join(option for option, used in is_given.items() if used)
    if unused:
        reason = "a random sample ignores scores"
        raise CurateError("the option needs --budget", where=unused, found=reason)


def _check_fit_options(
    fit: str | None, tag: list[str] | None, gains: Path | None, method: _Method
) -> None:
    if tag and fit is None:
        raise CurateError("--tag needs --fit", where="--tag", found=", ".join(tag))
    if fit is not None and (gains is not None or method != "budget"):
        raise CurateError("--fit needs --budget and excludes --gains", where="--fit")


def _choose_pairs(
    dataset: DatasetOptions, folder: Path, choice: RoutingChoice, overwrite: bool
) -> RoutingResult:
    """Write the tasks of a run, or of a random sample of a dataset."""
    from curate.cli.progress import console_progress
    from curate.people.drawn_tasks import draw_from_data
    from curate.people.route import route_pairs as run_route
    from curate.people.tasks import MARK
    from curate.write.run_files import is_run
    from curate.write.run_folder import check_free

    if is_run(dataset.data):
        dataset.reject_reading_options("a run's pairs are read already")
        with console_progress() as progress:
            return run_route(dataset.data, folder, choice, overwrite, progress)
    if choice.sampling != "random":
        raise CurateError(
            f"--{choice.sampling or 'budget'} needs the scores of a run",
            where=dataset.data,
            found="a dataset",
            fix="give the folder of a run, or use --random",
        )
    check_free(folder, overwrite, MARK, dataset.data)
    with TemporaryDirectory() as scratch, console_progress() as progress:
        pairs = dataset.read(progress, Path(scratch))
        options = dataset.reading_options()
        return draw_from_data(pairs, dataset.data, options, folder, choice, overwrite)


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
