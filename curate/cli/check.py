"""The command `curate check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.cli.inputs import DatasetOptions
from curate.cli.options import Columns, ConfigName, FormatName, Json, Limit, OverwriteFolder, Split
from curate.errors import CurateError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from curate.check.command import CheckReport
    from curate.steps.context import Progress
    from curate.steps.models import ModelSpec
    from curate.write.run_files import RunFiles

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
    from curate.check.command import drop_failing_pairs
    from curate.cli.progress import console_progress
    from curate.cli.safe import json_text
    from curate.cli.show_check import show_check
    from curate.cli.show_run import show_result
    from curate.steps.models import ModelSpec
    from curate.write.run_files import RunFiles, is_run

    run = RunFiles(folder) if is_run(folder) else None
    if fix is not None:
        _require_fixable(folder, run, fix, overwrite)
    dataset = DatasetOptions(folder, format, columns, split, config, limit)
    fixed = None
    with console_progress() as progress:
        report = _check_data(dataset, run, trainer, ModelSpec(name=model), max_length, progress)
        if fix is not None and run is not None:
            fixed = drop_failing_pairs(run, report, fix, overwrite, progress)
    if as_json:
        typer.echo(json_text(report.to_json()))
    else:
        show_check(report, trainer, model)
    if fixed is not None:
        show_result(fixed)
    elif not report.clean and not as_json:
        raise typer.Exit(_EXIT_UNFIT)


def _require_fixable(folder: str, run: RunFiles | None, fix: Path, overwrite: bool) -> None:
    """Raise CurateError if the data is not a run, or the folder of the copy is taken."""
    from curate.write.run_folder import check_free

    if run is None:
        raise CurateError("only a run can be fixed", where="--fix", found=folder)
    check_free(fix, overwrite)


def _check_data(
    dataset: DatasetOptions,
    run: RunFiles | None,
    trainer: str,
    model: ModelSpec,
    max_length: int | None,
    progress: Progress,
) -> CheckReport:
    """Check the kept pairs of a run, or all pairs of another dataset."""
    from curate.check.command import check_data as run_check

    if run is None:
        tables = _split_into_batches(dataset.read(progress).frame)
        # Without the content kinds the tables are read twice: they are in memory anyway.
        return run_check(tables, trainer, model, progress, max_length)
    content_kinds = run.manifest.output.content
    return run_check(run.kept_batches(), trainer, model, progress, max_length, content_kinds)


def _split_into_batches(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    from curate.data.table import BATCH_ROWS, batch_slices

    return (frame[rows] for rows in batch_slices(len(frame), BATCH_ROWS))
