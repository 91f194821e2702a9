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
Prompts = Annotated[
    str | None, typer.Option("--prompt", help="explicit or implicit, as output.prompt.")
]
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

Languages = Annotated[
    list[str] | None,
    typer.Option("--language", help="Language of the texts, for the card: en, de, ... Repeatable."),
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
    language: Languages = None,
    format: Annotated[str, typer.Option(help="Format of the data, where it is no run.")] = "auto",
    columns: Columns = None,
    split: Split = None,
    config: ConfigName = None,
    on_error: Annotated[str, typer.Option(help="At a malformed row: stop or skip.")] = "stop",
    allow_loss: AllowLoss = False,
    prompt: Prompts = None,
    media: Annotated[str, typer.Option(help="paths or embed, as output.media.")] = "paths",
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
    target = _target(
        to,
        file_type=file_type,
        rows_per_shard=rows_per_shard,
        license=license,
        language=tuple(language or ()),
        allow_loss=allow_loss,
        prompt=prompt,
        media=media,
        weights=weights,
        soft_labels=soft_labels,
        copies=copies,
    )
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
    run: Annotated[Path, typer.Argument(help="Folder of a finished run, or of an export.")],
    repo: Annotated[str, typer.Argument(help="Data set of the hub: owner/name.")],
    to: Annotated[
        str | None, typer.Option("--to", help="Export format of a run's pairs; default trl.")
    ] = None,
    private: Annotated[
        bool, typer.Option("--private/--public", help="Who may see a new data set.")
    ] = True,
    license: License = None,
    language: Languages = None,
    allow_loss: AllowLoss = False,
    prompt: Prompts = None,
    weights: Weights = None,
    soft_labels: SoftLabels = None,
    copies: Copies = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Upload nothing, show what would go.")
    ] = False,
) -> None:
    """Upload the kept pairs of a run, or an export as it is, to the hub, with a dataset card.

    Images, videos and audios of a run are uploaded too, where the format holds files.
    """
    from curate.cli.progress import console_progress
    from curate.cli.show_results import show_upload
    from curate.write.push import push as run_push

    target = _target(
        to or "trl",
        license=license,
        language=tuple(language or ()),
        allow_loss=allow_loss,
        prompt=prompt,
        weights=weights,
        soft_labels=soft_labels,
        copies=copies,
    )
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


def _target(to: str, **settings: Any) -> Target:
    """The target of these settings, whose values are checked."""
    from curate.write.export import Target
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
            _one_of("--" + name.replace("_", "-"), settings[name], get_args(kind))
    return Target(to, **settings)


def _one_of(option: str, value: str, valid: tuple[str, ...]) -> None:
    if value not in valid:
        raise CurateError("wrong value", where=option, found=repr(value), expected=", ".join(valid))
