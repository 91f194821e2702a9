"""The commands `curate report`, `compare`, `review` and `apply`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunFolder = Annotated[Path, typer.Argument(help="Folder of a finished run.")]


def report(
    run: Annotated[Path, typer.Argument(help="A finished run, an audit.json or bench.json.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File; default report.html beside it.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that curate did not write.")
    ] = False,
) -> None:
    """Write a run, an audit or a bench as one self-contained page."""
    from curate.report.build import REPORT, write_report
    from curate.report.json_pages import write_json_report
    from curate.write.file_output import check_output_file

    default = run.with_suffix(".html") if run.suffix == ".json" else run / REPORT
    check_output_file(output or default, overwrite, [run])
    write = write_json_report if run.suffix == ".json" else write_report
    path = write(run, output)
    typer.echo(f"written: {path}")


def compare(
    run_a: RunFolder,
    run_b: Annotated[Path, typer.Argument(help="Folder of another run on the same data.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Page to write.")] = Path(
        "compare.html"
    ),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that curate did not write.")
    ] = False,
) -> None:
    """Show what two runs keep and drop, and the pairs on which they differ."""
    from curate.cli.show_results import show_comparison
    from curate.report.compare import compare as run_compare
    from curate.report.compare import write_comparison
    from curate.write.file_output import check_output_file

    check_output_file(output, overwrite, [run_a, run_b])
    found = run_compare(run_a, run_b)
    write_comparison(found, output)
    show_comparison(found)
    typer.echo(f"written: {output}")


def review(
    folder: Annotated[
        Path,
        typer.Argument(help="Folder of 'curate route --random' or '--stratified', or of a run."),
    ],
    reviewer: Annotated[str, typer.Option(help="Your name: several people may judge.")] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page.")] = True,
    sample: Annotated[
        Path | None,
        typer.Option(help="Of a run: judge the pairs of this draw, in its order, labels hidden."),
    ] = None,
) -> None:
    """Judge pairs on a local page by keyboard: drawn pairs blind, other pairs with their labels."""
    import getpass
    import webbrowser

    from curate.optional_packages import need

    for package in ("starlette", "uvicorn"):
        need(package, "review", "curate review")
    from curate.cli.show_review import open_session, show_end
    from curate.people.serve import serve

    session = open_session(folder, sample, reviewer or getpass.getuser())

    def ready(address: str) -> None:
        typer.echo(f"review at {address}  (press Ctrl+C to stop; verdicts are saved as you go)")
        if browser:
            webbrowser.open(address)

    serve(session.review, port, ready)
    show_end(session)


def apply(
    run: RunFolder,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the new run.")],
    verdicts: Annotated[
        list[Path] | None,
        typer.Option(
            help="Files of verdicts, or folders of draws; repeat. Default: all verdicts in the run."
        ),
    ] = None,
    ignore_unknown: Annotated[
        bool, typer.Option(help="Leave out verdicts on pairs that the run does not hold.")
    ] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace a finished run.")] = False,
) -> None:
    """Make the shards of a run anew by what most reviewers said."""
    from curate.cli.console import show_result
    from curate.cli.progress import console_progress
    from curate.cli.show_results import show_applied
    from curate.errors import CurateError
    from curate.people.apply import apply_verdicts, verdict_files

    files = list(verdicts or verdict_files(run))
    if not files:
        raise CurateError(
            "there are no verdicts", where=str(run), fix="curate review, or give --verdicts"
        )
    with console_progress() as progress:
        result = apply_verdicts(run, files, out, overwrite, progress, ignore_unknown)
    show_applied(result)
    show_result(result)
