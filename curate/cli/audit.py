"""The command `curate audit`."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from curate.cli.inputs import DatasetOptions
from curate.cli.options import (
    Columns,
    ConfigName,
    Data,
    EmbedderName,
    FormatName,
    Limit,
    Most,
    OverwriteFile,
    Split,
)
from curate.data.bounds import MOST_PAIRS
from curate.errors import CurateError


def audit(
    data: Data,
    against: Annotated[
        str | None, typer.Option(help="Another dataset: report the prompts found in both.")
    ] = None,
    embedder: EmbedderName = "auto",
    format: FormatName = "auto",
    columns: Columns = None,
    split: Split = None,
    config: ConfigName = None,
    limit: Limit = None,
    most: Most = MOST_PAIRS,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")] = Path(
        "audit.json"
    ),
    overwrite: OverwriteFile = False,
    style_columns: Annotated[
        list[str] | None,
        typer.Option(
            "--style-column", help="Key of extra to test beside the style features; repeat."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Causal language model: measure its ranking accuracy.")
    ] = None,
    beta: Annotated[float, typer.Option(min=1e-6, help="DPO beta (only with --model).")] = 0.1,
    disagreement: Annotated[
        bool,
        typer.Option(
            "--disagreement",
            help="Classify disagreements as shared preference, taste, cycle or flip.",
        ),
    ] = False,
    gold: Annotated[
        list[str] | None,
        typer.Option(
            help="Reviewed pairs for the noise rate: a verdict file, the folder of the sample, or "
            "extra.KEY; repeat."
        ),
    ] = None,
    sample: Annotated[
        Path | None,
        typer.Option(
            help="Sample folder of 'curate route --random' or '--stratified' (default: the folder "
            "of the verdicts)."
        ),
    ] = None,
) -> None:
    """Estimate how noisy a dataset is and which biases its labels show."""
    from curate.audit.command import audit as run_audit
    from curate.cli.console import show_warnings
    from curate.cli.progress import console_progress
    from curate.cli.show_audit import show_audit
    from curate.models.embed.settings import EmbedderConfig
    from curate.people.draw import read_sample, resume_command, sample_folder
    from curate.steps.models import ModelSpec
    from curate.verdicts.files import read_verdicts
    from curate.verdicts.gold import as_gold
    from curate.write.contents import MADE_BY
    from curate.write.file_output import check_output_file
    from curate.write.shards import write_json

    check_output_file(output, overwrite, [data, against, *(gold or ()), sample])
    damaged_lines: list[str] = []
    gold_config = as_gold(gold)
    files = [] if gold_config is None else [Path(path) for path in gold_config.verdicts]
    reviewed = read_verdicts(files, damaged_lines) if files else gold_config
    sample = sample or sample_folder(files)
    show_warnings(damaged_lines)
    with console_progress() as progress, TemporaryDirectory() as scratch:
        folders = Path(scratch, "data"), Path(scratch, "against")
        for folder in folders:
            folder.mkdir()
        dataset = DatasetOptions(data, format, columns, split, config, limit, prints_notes=False)
        pairs = dataset.read(progress, folders[0])
        other_pairs = None
        if against is not None:
            other_pairs = DatasetOptions(against).read(progress, folders[1])
        spec = None if model is None else ModelSpec(name=model)
        style_keys = tuple(style_columns or ())
        report = run_audit(
            pairs,
            progress,
            other_pairs,
            EmbedderConfig(name=embedder),
            style_columns=style_keys,
            model=spec,
            beta=beta,
            disagreement=disagreement,
            gold=reviewed,
            sample=None if sample is None else read_sample(sample),
            resume=resume_command(files, sample),
            most=most,
            dataset=data,
        )
    show_audit(report)
    try:
        write_json({MADE_BY: "curate audit"} | report.to_json(), output)
    except OSError as error:
        raise CurateError(
            "the file cannot be written", where=str(output), found=str(error)
        ) from None
    typer.echo(f"written: {output}")
