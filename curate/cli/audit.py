"""The command `curate audit`."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

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
from curate.data.limits import DEFAULT_MAX_PAIRS
from curate.errors import CurateError

if TYPE_CHECKING:
    from curate.auditing.audit_report import AuditReport
    from curate.auditing.command import AuditOptions, Reviews
    from curate.auditing.single_answers import AnswerAudit
    from curate.read.pairs import Pairs
    from curate.steps.context import Progress


_Against = Annotated[
    str | None,
    typer.Option(help="Another dataset or file of prompts: report the prompts found in both."),
]
_StyleColumns = Annotated[
    list[str] | None,
    typer.Option("--style-column", help="Key of extra to test beside the style features; repeat."),
]
_Model = Annotated[
    str | None, typer.Option(help="Causal language model: measure its ranking accuracy.")
]
_Disagreement = Annotated[
    bool,
    typer.Option(
        "--disagreement",
        help="Classify disagreements as shared preference, taste, cycle or flip.",
    ),
]
_Gold = Annotated[
    list[str] | None,
    typer.Option(
        help="Reviewed pairs for the noise rate: a verdict file, the folder of the sample, or "
        "extra.KEY; repeat."
    ),
]
_Sample = Annotated[
    Path | None,
    typer.Option(
        help="Sample folder of 'curate route --random' (default: the folder of the verdicts)."
    ),
]
_Output = Annotated[Path, typer.Option("--output", "-o", help="File to write.")]


def audit(
    data: Data,
    against: _Against = None,
    embedder: EmbedderName = "auto",
    format: FormatName = "auto",
    columns: Columns = None,
    split: Split = None,
    config: ConfigName = None,
    limit: Limit = None,
    most: Most = DEFAULT_MAX_PAIRS,
    output: _Output = Path("audit.json"),
    overwrite: OverwriteFile = False,
    style_columns: _StyleColumns = None,
    model: _Model = None,
    beta: Annotated[float, typer.Option(min=1e-6, help="DPO beta (only with --model).")] = 0.1,
    disagreement: _Disagreement = False,
    gold: _Gold = None,
    sample: _Sample = None,
) -> None:
    """Estimate how noisy a dataset is and which biases its labels show."""
    from curate.auditing.command import AuditOptions
    from curate.cli.show_audit import show_any_audit
    from curate.models.embed.settings import EmbedderConfig
    from curate.steps.models import ModelSpec
    from curate.write.file_output import check_output_file

    reading = (data, format, columns, split, config, limit)
    dataset = DatasetOptions(*reading, prints_notes=False, takes_single_answers=True)
    inputs = [data, *dataset.pipeline_inputs(), against, *(gold or ()), sample]
    check_output_file(output, overwrite, inputs)
    options = AuditOptions(
        embedder=EmbedderConfig(name=embedder),
        style_columns=tuple(style_columns or ()),
        model=None if model is None else ModelSpec(name=model),
        beta=beta,
        disagreement=disagreement,
        most=most,
    )
    show_any_audit(report := _audit_dataset(dataset, against, options, read_reviews(gold, sample)))
    _write_report(report, output)


def _audit_dataset(
    dataset: DatasetOptions, against: str | None, options: AuditOptions, reviews: Reviews | None
) -> AuditReport | AnswerAudit:
    """Read the datasets into temporary files and audit the first one."""
    from curate.auditing.command import audit_pairs
    from curate.auditing.single_answers import audit_single_answers
    from curate.cli.progress import console_progress
    from curate.data.table import has_single_answers

    # Texts lie in mapped files, so that a dataset larger than memory can be audited.
    with console_progress() as progress, TemporaryDirectory() as scratch:
        pairs = dataset.read(progress, _make_folder(scratch, "data"))
        compared_pairs = None
        if against is not None:
            compared_pairs = read_prompts(against, progress, _make_folder(scratch, "against"))
        if has_single_answers(pairs.frame):
            return audit_single_answers(pairs, compared_pairs)
        return audit_pairs(pairs, progress, options, compared_pairs, reviews, dataset.data)


def read_prompts(against: str, progress: Progress, folder: Path | None = None) -> Pairs:
    """Read the other dataset, which may be a file of prompts alone, as evaluation sets are."""
    import polars as pl

    from curate.data.table import messages_series
    from curate.models.text.evaluation_texts import plain_texts, read_evaluation_texts
    from curate.read.pairs import Pairs

    try:
        return DatasetOptions(against, takes_single_answers=True).read(progress, folder)
    except CurateError as error:
        if not Path(against).is_file():
            raise
        try:
            texts = plain_texts(read_evaluation_texts([against], None), against)
        except CurateError:
            # What is wrong with it as a dataset says more than that it holds no prompts.
            raise error from None
    turns = [[{"role": "user", "content": text}] for text in texts]
    return Pairs(pl.DataFrame({"prompt": messages_series("prompt", turns)}))


def _make_folder(scratch: str, name: str) -> Path:
    folder = Path(scratch, name)
    folder.mkdir()
    return folder


def read_reviews(gold: list[str] | None, sample: Path | None) -> Reviews | None:
    """Return the verdicts that the options name; damaged lines are reported."""
    from curate.auditing.command import Reviews
    from curate.cli.console import show_warnings
    from curate.people.sampling import read_sample, resume_command, sample_folder
    from curate.verdicts.files import read_verdicts
    from curate.verdicts.gold import to_gold_config

    damaged_lines: list[str] = []
    gold_config = to_gold_config(gold)
    files = [] if gold_config is None else [Path(path) for path in gold_config.verdicts]
    verdicts = read_verdicts(files, damaged_lines) if files else gold_config
    sample = sample or sample_folder(files)
    show_warnings(damaged_lines)
    sampled_pairs = None if sample is None else read_sample(sample)
    if verdicts is None:
        return None
    return Reviews(verdicts, sampled_pairs, resume_command(files, sample))


def _write_report(report: AuditReport | AnswerAudit, output: Path) -> None:
    from curate.write.contents import MADE_BY
    from curate.write.shards import write_json

    try:
        write_json({MADE_BY: "curate audit"} | report.to_json(), output)
    except OSError as error:
        raise CurateError(
            "the file cannot be written", where=str(output), found=str(error)
        ) from None
    typer.echo(f"written: {output}")
