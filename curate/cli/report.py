"""The commands `curate report`, `compare`, `review` and `apply`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curate.cli.options import OutputFolder, OverwriteFile, OverwriteFolder

RunFolder = Annotated[Path, typer.Argument(help="Folder of a finished run.")]
_ReviewSample = Annotated[
    Path | None,
    typer.Option(help="Review only the pairs of this sample of a run, with labels hidden."),
]
_UntilWidth = Annotated[
    float | None,
    typer.Option(
        min=0.5, max=100, help="Stop once the interval is this narrow, in percentage points."
    ),
]


def report(
    run: Annotated[
        Path, typer.Argument(help="Folder or JSON file of a run, audit, bench, worth or explain.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Page to write (default: beside the input)."),
    ] = None,
    overwrite: OverwriteFile = False,
) -> None:
    """Write the results of run, audit, bench, worth or explain as one self-contained page."""
    from curate.cli.saved_pages import page_path, write_saved_page
    from curate.write.file_output import check_output_file

    # Before the page is made, which takes seconds; the input is never replaced.
    check_output_file(output or page_path(run), overwrite, [run])
    path = write_saved_page(run, output)
    typer.echo(f"written: {path}")


def compare(
    run_a: RunFolder,
    run_b: Annotated[Path, typer.Argument(help="Folder of another run on the same data.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Page to write.")] = Path(
        "compare.html"
    ),
    overwrite: OverwriteFile = False,
) -> None:
    """Compare two runs: what each keeps and drops, and where they differ."""
    from curate.cli.show_results import show_comparison
    from curate.report.compare import compare_runs as run_compare
    from curate.report.compare import write_comparison
    from curate.write.file_output import check_output_file

    check_output_file(output, overwrite, [run_a, run_b])
    comparison = run_compare(run_a, run_b)
    write_comparison(comparison, output)
    show_comparison(comparison)
    typer.echo(f"written: {output}")


def review(
    folder: Annotated[
        Path,
        typer.Argument(help="Folder of a run, or of 'curate route --random'."),
    ],
    reviewer: Annotated[str, typer.Option(help="Your name; several people can review.")] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port (0: any free port).")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    sample: _ReviewSample = None,
    until_width: _UntilWidth = None,
) -> None:
    """Review pairs on a local page; labels of sampled pairs are hidden."""
    import getpass
    import webbrowser

    from curate.optional_packages import need

    for package in ("starlette", "uvicorn"):
        need(package, "review", "curate review")
    from curate.cli.show_review import open_session, show_end
    from curate.people.serve import serve_review

    session = open_session(folder, sample, reviewer or getpass.getuser(), until_width)

    # Called once the port listens: a browser that is faster would show an error.
    def ready(address: str) -> None:
        typer.echo(f"review at {address}  (press Ctrl+C to stop; verdicts are saved as you go)")
        if browser:
            webbrowser.open(address)

    serve_review(session.review, port, ready)
    show_end(session)


def apply(
    run: RunFolder,
    output: OutputFolder,
    verdicts: Annotated[
        list[Path] | None,
        typer.Option(
            help="Verdict files or sample folders; repeat (default: all verdicts of the run)."
        ),
    ] = None,
    ignore_unknown: Annotated[
        bool, typer.Option("--ignore-unknown", help="Skip verdicts on pairs not in the run.")
    ] = False,
    overwrite: OverwriteFolder = False,
) -> None:
    """Write a new run with the reviewers' majority verdicts applied."""
    from curate.cli.progress import console_progress
    from curate.cli.show_results import show_applied
    from curate.cli.show_run import show_result
    from curate.errors import CurateError
    from curate.people.apply import apply_verdicts, verdict_files

    files = list(verdicts or verdict_files(run))
    if not files:
        raise CurateError(
            "there are no verdicts",
            where=str(run),
            fix="review pairs with curate review, or give --verdicts",
        )
    with console_progress() as progress:
        result, applied = apply_verdicts(run, files, output, overwrite, progress, ignore_unknown)
    show_applied(applied)
    show_result(result)
