"""The command `curate check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from curate.cli.inputs import DatasetOptions
from curate.cli.options import Columns, ConfigName, FormatName, Json, Limit, OverwriteFolder, Split
from curate.errors import CurateError

_EXIT_UNFIT = 3
"""Exit code if pairs or the tokenizer are unfit for training."""


_Folder = Annotated[
    str, typer.Argument(help="A run's folder (its kept pairs), or any other dataset.")
]
_Trainer = Annotated[str, typer.Option(help="trl, axolotl, llamafactory, openrlhf or swift.")]
_MaxLength = Annotated[
    int | None,
    typer.Option(min=1, help="Maximum length in the trainer's config (default: the trainer's)."),
]
_Fix = Annotated[
    Path | None,
    typer.Option(
        help="Write a cleaned copy of the run, without the failing pairs, to this folder."
    ),
]


def check(
    folder: _Folder,
    model: Annotated[str, typer.Option(help="Model to be trained: folder or Hub name.")],
    trainer: _Trainer = "trl",
    max_length: _MaxLength = None,
    fix: _Fix = None,
    format: FormatName = "auto",
    columns: Columns = None,
    split: Split = None,
    config: ConfigName = None,
    limit: Limit = None,
    as_json: Json = False,
    overwrite: OverwriteFolder = False,
) -> None:
    """Check the data against the model's tokenizer and chat template before training."""
    from curate.check.command import check_data as run_check
    from curate.check.command import drop_failing_pairs
    from curate.cli.console import show_result
    from curate.cli.progress import console_progress
    from curate.cli.safe import json_text
    from curate.cli.show_check import show_check
    from curate.steps.models import ModelSpec
    from curate.write.run_files import RunFiles, is_run
    from curate.write.run_folder import check_free

    run = RunFiles(folder) if is_run(folder) else None
    if fix is not None:
        if run is None:
            raise CurateError("only a run can be fixed", where="--fix", found=folder)
        check_free(fix, overwrite)
    dataset = DatasetOptions(folder, format, columns, split, config, limit)
    with console_progress() as progress:
        tables = (
            run.kept_batches()
            if run is not None
            else _split_into_batches(dataset.read(progress).frame)
        )
        # The manifest of a run lists the content kinds; other data is in memory anyway.
        content_kinds = None if run is None else run.manifest["output"].get("parts")
        report = run_check(
            tables, trainer, ModelSpec(name=model), progress, max_length, content_kinds
        )
        fixed = None
        if fix is not None and run is not None:
            fixed = drop_failing_pairs(run, report, fix, overwrite, progress)
    if as_json:
        typer.echo(json_text(report.facts()))
    else:
        show_check(report, trainer, model)
    if fixed is not None:
        show_result(fixed)
    elif not report.clean and not as_json:
        raise typer.Exit(_EXIT_UNFIT)


def _split_into_batches(frame: Any) -> Any:
    from curate.data.table import BATCH_ROWS, batch_slices

    return (frame[rows] for rows in batch_slices(len(frame), BATCH_ROWS))
