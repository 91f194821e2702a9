"""The command `curate audit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curate.cli.inputs import Data, FormatName, Limit, Split, read_data
from curate.errors import CurateError


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
