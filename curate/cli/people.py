"""The commands `curate route` and `curate merge`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from curate.errors import CurateError


def route(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the task files.")],
    budget: Annotated[
        int | None, typer.Option(min=1, help="The most urgent pairs: how many people can judge.")
    ] = None,
    random: Annotated[
        int | None, typer.Option(min=1, help="Draw this many pairs at random, for audit --gold.")
    ] = None,
    stratified: Annotated[
        int | None,
        typer.Option(
            min=1, help="Draw this many, more where labels are doubtful: a narrower rate."
        ),
    ] = None,
    to: Annotated[
        str, typer.Option("--to", help="Tool: label_studio, argilla or pairs (JSON lines).")
    ] = "label_studio",
    by: Annotated[
        list[str] | None,
        typer.Option(help="Score that tells uncertainty; repeat. Default: all that are known to."),
    ] = None,
    gains: Annotated[
        Path | None,
        typer.Option(help="JSON of coefficients such as {'overlap=high': 0.4}."),
    ] = None,
    fit: Annotated[
        str | None,
        typer.Option(help="Annotator that is a model: learn gains where people voted too."),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(help="Column or key of extra that --fit may route by; default source."),
    ] = None,
    per_prompt: Annotated[int, typer.Option(min=1, help="Pairs of one prompt at most.")] = 1,
    kept_only: Annotated[bool, typer.Option(help="Leave out what filters dropped.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the order of the answers.")] = 0,
    overwrite: Annotated[bool, typer.Option(help="Replace earlier tasks.")] = False,
) -> None:
    """Choose the pairs that people should judge, and write tasks for an annotation tool."""
    from curate.cli.progress import console_progress
    from curate.cli.show_results import show_routed
    from curate.people.draw import Sampling
    from curate.people.route import Choice
    from curate.people.route import route as run_route

    given = {"budget": budget, "random": random, "stratified": stratified}
    ways = {name: count for name, count in given.items() if count is not None}
    if len(ways) != 1:
        raise CurateError(
            "give one of --budget, --random and --stratified", found=", ".join(ways) or "none"
        )
    ((way, count),) = ways.items()
    drawn: dict[str, Sampling] = {"random": "random", "stratified": "stratified"}
    if tag and fit is None:
        raise CurateError("--tag goes with --fit", where="--tag", found=", ".join(tag))
    if fit is not None and (gains is not None or way != "budget"):
        raise CurateError("--fit goes with --budget and without --gains", where="--fit")
    choice = Choice(
        count,
        to,
        list(by or ()),
        _coefficients(gains),
        per_prompt,
        not kept_only,
        seed,
        drawn.get(way),
        fit,
        tag,
    )
    with console_progress() as progress:
        found = run_route(run, out, choice, overwrite, progress)
    show_routed(found)


def merge(
    data: Annotated[str, typer.Argument(help="Folder of a run, or a data set.")],
    verdicts: Annotated[list[Path], typer.Argument(help="Files of verdicts.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")],
    overwrite: Annotated[bool, typer.Option(help="Replace an earlier merge.")] = False,
) -> None:
    """Add people's verdicts to the pairs, as votes of further annotators."""
    from curate.cli.progress import console_progress
    from curate.cli.show_results import show_merged
    from curate.people.merge import merge_files

    with console_progress() as progress:
        merged = merge_files(data, verdicts, out, overwrite, progress)
    show_merged(merged, out)


def _coefficients(path: Path | None) -> dict[str, float]:
    if path is None:
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {str(key): float(value) for key, value in found.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise CurateError(
            "the gains cannot be read",
            where=str(path),
            found=str(error),
            expected='a JSON object of numbers, such as {"overlap=high": 0.4}',
        ) from None
