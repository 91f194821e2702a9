"""The commands `curate export` and `curate push`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from curate.cli.inputs import Columns, ConfigName, Given, Split
from curate.errors import CurateError

if TYPE_CHECKING:
    from curate.write.export import Target

Form = Annotated[str, typer.Option("--to", help="Export format: see 'curate list'; or source.")]
Weights = Annotated[
    str | None,
    typer.Option(help="rows, column or none, as output.weights; default as the run has it."),
]
SoftLabels = Annotated[
    str | None, typer.Option(help="sampled or signed, as output.soft_labels; default as the run.")
]
Copies = Annotated[
    int | None,
    typer.Option(min=1, max=100, help="Draws of weighted rows; default as the run has it."),
]
AllowLoss = Annotated[
    bool, typer.Option(help="Go on where the form has no place for parts of the pairs.")
]
License = Annotated[
    str | None, typer.Option("--license", help="Licence of the source data, for the card: mit, ...")
]


def export(
    source: Annotated[
        str,
        typer.Argument(help="A run's folder, file, glob, URL, hf:owner/name, or pipeline.yaml."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")],
    to: Form = "trl",
    file_type: Annotated[
        str, typer.Option(help="parquet, jsonl, or dataset (a DatasetDict saved to disk).")
    ] = "parquet",
    rows_per_shard: Annotated[int, typer.Option(min=1, help="Rows in a file at most.")] = 100_000,
    license: License = None,
    format: Annotated[str, typer.Option(help="Format of the data, where it is no run.")] = "auto",
    columns: Columns = None,
    split: Split = None,
    config: ConfigName = None,
    on_error: Annotated[str, typer.Option(help="At a malformed row: stop or skip.")] = "stop",
    allow_loss: AllowLoss = False,
    weights: Weights = None,
    soft_labels: SoftLabels = None,
    copies: Copies = None,
    overwrite: Annotated[bool, typer.Option(help="Replace an earlier export.")] = False,
) -> None:
    """Write the kept pairs of a run, or any data set as it is, in a trainer's form.

    '--to source' writes the rows of the run's input whose pairs were kept, with every column.
    """
    from curate.cli.progress import console_progress
    from curate.cli.show_results import show_export
    from curate.write.export import export as run_export
    from curate.write.output import FileType
    from curate.write.run_files import is_run
    from curate.write.source_rows import SOURCE, export_source

    _one_of("--file-type", file_type, get_args(FileType))
    _one_of("--on-error", on_error, ("stop", "skip"))
    sizes = (to, file_type, rows_per_shard, license, allow_loss)
    target = _target(*sizes, weights, soft_labels, copies)
    with console_progress() as progress:
        if to == SOURCE:
            found = export_source(source, out, target, overwrite=overwrite, progress=progress)
        else:
            data: Any = source
            if not is_run(source):
                data = _input(Given(source, format, columns, split, config, on_error=on_error))
            found = run_export(data, out, target, overwrite=overwrite, progress=progress)
    show_export(found)


def push(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    repo: Annotated[str, typer.Argument(help="Data set of the hub: owner/name.")],
    to: Form = "trl",
    private: Annotated[
        bool, typer.Option("--private/--public", help="Who may see a new data set.")
    ] = True,
    license: License = None,
    allow_loss: AllowLoss = False,
    weights: Weights = None,
    soft_labels: SoftLabels = None,
    copies: Copies = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Upload nothing, show what would go.")
    ] = False,
) -> None:
    """Upload the kept pairs of a run to the hub, with a dataset card."""
    from curate.cli.progress import console_progress
    from curate.cli.show_results import show_upload
    from curate.write.push import push as run_push

    sizes = (to, "parquet", 100_000, license, allow_loss)
    target = _target(*sizes, weights, soft_labels, copies)
    with console_progress() as progress:
        found = run_push(
            run,
            repo,
            target,
            private=private,
            dry_run=dry_run,
            progress=progress,
        )
    show_upload(found)


def _input(given: Given) -> Any:
    """Where the rows are, of a pipeline.yaml too."""
    if not given.is_pipeline:
        return given.input()
    from curate.pipeline.config import load_config

    config = load_config(given.data)[0]
    found = config.input
    if config.sources:
        raise CurateError(
            "a mixture is exported once it is made",
            where=given.data,
            fix="curate run, then curate export of its folder",
        )
    if found is None:
        raise CurateError("the pipeline names no input", where=given.data, expected="input:")
    return found


def _target(
    to: str,
    file_type: str,
    rows_per_shard: int,
    license: str | None,
    allow_loss: bool,
    weights: Any,
    soft_labels: Any,
    copies: int | None,
) -> Target:
    from curate.write.export import Target
    from curate.write.exports.base import Carrier
    from curate.write.weighing import SoftLabels

    if weights is not None:
        _one_of("--weights", weights, get_args(Carrier))
    if soft_labels is not None:
        _one_of("--soft-labels", soft_labels, get_args(SoftLabels))
    settings = (file_type, rows_per_shard, license, allow_loss)
    return Target(to, *settings, weights, soft_labels, copies)


def _one_of(option: str, value: str, valid: tuple[str, ...]) -> None:
    if value not in valid:
        raise CurateError("wrong value", where=option, found=repr(value), expected=", ".join(valid))
