"""The commands `curate export` and `curate push`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from curate.cli.inputs import DatasetOptions
from curate.cli.options import Columns, ConfigName, FormatName, OutputFolder, OverwriteFolder, Split
from curate.errors import CurateError

if TYPE_CHECKING:
    from curate.read.input import InputConfig
    from curate.steps.context import Progress
    from curate.write.export import ExportResult, ExportTarget

Form = Annotated[str, typer.Option("--to", help="Export format (see 'curate list'), or source.")]
Prompts = Annotated[
    str | None, typer.Option("--prompt", help="explicit or implicit (see output.prompt).")
]
Weights = Annotated[
    str | None,
    typer.Option(help="rows, column or none (default: as in the run)."),
]
SoftLabels = Annotated[
    str | None,
    typer.Option(help="sampled or signed (default: as in the run)."),
]
Copies = Annotated[
    int | None,
    typer.Option(min=1, max=100, help="Random draws of weighted rows (default: as in the run)."),
]
AllowLoss = Annotated[
    bool,
    typer.Option("--allow-loss", help="Export even if the format can't represent some content."),
]
License = Annotated[
    str | None, typer.Option("--license", help="License of the source data, for the card: mit, ...")
]

Languages = Annotated[
    list[str] | None,
    typer.Option("--language", help="Language of the texts, for the card: en, de, ...; repeat."),
]


_Source = Annotated[
    str,
    typer.Argument(help="A run's folder, file, glob, URL, hf:owner/name, or pipeline.yaml."),
]
_FileType = Annotated[str, typer.Option(help="parquet, jsonl, or dataset (a saved DatasetDict).")]


def export(
    source: _Source,
    output: OutputFolder,
    to: Form = "trl",
    file_type: _FileType = "parquet",
    rows_per_shard: Annotated[int, typer.Option(min=1, help="Maximum rows per file.")] = 100_000,
    license: License = None,
    language: Languages = None,
    format: FormatName = "auto",
    columns: Columns = None,
    split: Split = None,
    config: ConfigName = None,
    on_error: Annotated[str, typer.Option(help="On a malformed row: stop or skip.")] = "stop",
    allow_loss: AllowLoss = False,
    prompt: Prompts = None,
    media: Annotated[str, typer.Option(help="paths or embed (see output.media).")] = "paths",
    weights: Weights = None,
    soft_labels: SoftLabels = None,
    copies: Copies = None,
    overwrite: OverwriteFolder = False,
) -> None:
    """Write the kept pairs of a run, or a whole dataset, in a trainer's format.

    '--to source' writes the input rows of the kept pairs, with all their columns.
    """
    from curate.cli.progress import console_progress
    from curate.cli.show_results import show_export
    from curate.write.output import FileType

    _require_one_of("--file-type", file_type, get_args(FileType))
    _require_one_of("--on-error", on_error, ("stop", "skip"))
    card = {"license": license, "language": tuple(language or ())}
    rows = {"prompt": prompt, "weights": weights, "soft_labels": soft_labels, "copies": copies}
    files = {"file_type": file_type, "rows_per_shard": rows_per_shard, "media": media}
    target = _build_target(to, allow_loss=allow_loss, **card, **rows, **files)
    dataset = DatasetOptions(source, format, columns, split, config, on_error=on_error)
    with console_progress() as progress:
        exported = _write_export(dataset, output, target, overwrite, progress)
    show_export(exported)


def _write_export(
    dataset: DatasetOptions, output: Path, target: ExportTarget, overwrite: bool, progress: Progress
) -> ExportResult:
    """Export the source rows of a run, or a run or dataset in the target's format."""
    from curate.write.export import export_pairs as run_export
    from curate.write.run_files import is_run
    from curate.write.source_rows import SOURCE, export_source

    source = dataset.data
    # Rows as they were read: no form, weight or prompt to convert.
    if target.format == SOURCE:
        return export_source(source, output, target, overwrite=overwrite, progress=progress)
    data: str | InputConfig = source if is_run(source) else _input_config(dataset)
    return run_export(data, output, target, overwrite=overwrite, progress=progress)


_To = Annotated[
    str | None, typer.Option("--to", help="Export format of a run's pairs (default: trl).")
]
_Private = Annotated[bool, typer.Option("--private/--public", help="Visibility of a new dataset.")]
_DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be uploaded, and upload nothing.")
]


def push(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run, or of an export.")],
    repo: Annotated[str, typer.Argument(help="Hub dataset: owner/name.")],
    to: _To = None,
    private: _Private = True,
    license: License = None,
    language: Languages = None,
    allow_loss: AllowLoss = False,
    prompt: Prompts = None,
    weights: Weights = None,
    soft_labels: SoftLabels = None,
    copies: Copies = None,
    dry_run: _DryRun = False,
) -> None:
    """Upload a run's kept pairs, or an export, to the Hub with a dataset card.

    Images, video and audio of a run are uploaded too if the format can carry files.
    """
    from curate.cli.progress import console_progress
    from curate.cli.show_results import show_upload
    from curate.write.push import push_folder as run_push

    card = {"license": license, "language": tuple(language or ())}
    rows = {"prompt": prompt, "weights": weights, "soft_labels": soft_labels, "copies": copies}
    target = _build_target(to or "trl", allow_loss=allow_loss, **card, **rows)
    with console_progress() as progress:
        options = {"private": private, "dry_run": dry_run}
        upload = run_push(run, repo, target, **options, progress=progress)
    show_upload(upload)


def _input_config(dataset: DatasetOptions) -> InputConfig:
    """Return the input section for a dataset or a pipeline.yaml."""
    if not dataset.is_pipeline:
        return dataset.input()
    from curate.pipeline.config import load_config

    config = load_config(dataset.data)[0]
    input_config = config.input
    if config.sources:
        raise CurateError(
            "a mixture has to be run before it is exported",
            where=dataset.data,
            fix="use curate run, then export its folder",
        )
    if input_config is None:
        raise CurateError("the pipeline has no input", where=dataset.data, expected="input:")
    return input_config


def _build_target(to: str, **settings: Any) -> ExportTarget:
    """Return the target with these settings, after validation."""
    from curate.write.export import ExportTarget
    from curate.write.exports.base import Carrier, Prompt
    from curate.write.exports.media_files import MediaCarrier
    from curate.write.weighing import SoftLabels

    valid = {
        "weights": Carrier,
        "soft_labels": SoftLabels,
        "prompt": Prompt,
        "media": MediaCarrier,
    }
    for name, kind in valid.items():
        if settings.get(name) is not None:
            _require_one_of("--" + name.replace("_", "-"), settings[name], get_args(kind))
    return ExportTarget(to, **settings)


def _require_one_of(option: str, value: str, valid: tuple[str, ...]) -> None:
    if value not in valid:
        raise CurateError(
            "invalid value", where=option, found=repr(value), expected=", ".join(valid)
        )
