"""The command `curate round`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.cli.inputs import DatasetOptions
from curate.cli.options import (
    Columns,
    ConfigName,
    Data,
    EmbedderName,
    EndpointUrl,
    FormatName,
    Limit,
    OutputFolder,
    OverwriteFolder,
    Seed,
    Split,
)

if TYPE_CHECKING:
    import polars as pl

    from curate.derive.pool import AnswerPool
    from curate.derive.round_command import RoundReport
    from curate.derive.rounds import ProbeAccuracy
    from curate.steps.context import Progress

_Gold = Annotated[
    str, typer.Option("--gold", help="Pairs labelled by people: a file, folder or hf:NAME.")
]
_Before = Annotated[
    Path | None,
    typer.Option(help="Folder of the previous round; its pairs are used for training too."),
]
_Vote = Annotated[
    float,
    typer.Option(
        min=0.5,
        max=1,
        help="Minimum share of dropout passes that must agree with the label (UPO: 0.5).",
    ),
]
_Easy = Annotated[
    float, typer.Option(min=0, max=1, help="Share of the confident pairs to keep (UPO).")
]
_People = Annotated[int, typer.Option(min=0, help="Maximum number of pairs to suggest for review.")]
_WriteModel = Annotated[
    str | None, typer.Option(help="Endpoint model that answers prompts without answers.")
]


def run_round_command(
    data: Data,
    gold: _Gold,
    output: OutputFolder,
    before: _Before = None,
    vote: _Vote = 0.5,
    easy: _Easy = 0.5,
    people: _People = 50,
    to: Annotated[str, typer.Option("--to", help="Export format of the shards.")] = "trl",
    write_model: _WriteModel = None,
    answers: Annotated[int, typer.Option(min=2, max=64, help="Answers to write per prompt.")] = 4,
    url: EndpointUrl = None,
    embedder: EmbedderName = "auto",
    format: FormatName = "auto",
    columns: Columns = None,
    split: Split = None,
    config: ConfigName = None,
    limit: Limit = None,
    seed: Seed = 0,
    overwrite: OverwriteFolder = False,
) -> None:
    """Label a pool from gold pairs, keep confident pairs, and suggest pairs for review."""
    from curate.cli.progress import console_progress
    from curate.cli.show_run import show_result
    from curate.derive.round_command import RoundPlan, run_round
    from curate.models.embed.settings import EmbedderConfig
    from curate.write.run_folder import check_free

    check_free(output, overwrite)
    dataset = DatasetOptions(data, format, columns, split, config, limit)
    plan = RoundPlan(gold, before, vote, easy, people, to, seed)
    with console_progress() as progress:
        gold_pairs = DatasetOptions(gold, "auto").read(progress).frame
        pool = _read_pool(dataset, write_model, url, answers, progress)
        result, report = run_round(
            pool, gold_pairs, plan, output, overwrite, progress, EmbedderConfig(name=embedder)
        )
    show_result(result)
    _show_round(report, getattr(pool, "left_out", {}))


def _read_pool(
    dataset: DatasetOptions,
    write_model: str | None,
    url: str | None,
    answers: int,
    progress: Progress,
) -> AnswerPool | pl.DataFrame:
    """Return prompts with their answers, which a model may write, or the pairs of the dataset."""
    from curate.cli.console import show_warnings
    from curate.derive.pool import has_answers, read_pool
    from curate.derive.round_command import round_writer
    from curate.read.raw_rows import PublishedRows

    if write_model is None and not has_answers(dataset.input()):
        return dataset.read(progress).frame
    write = None if write_model is None else round_writer(write_model, url, answers, progress)
    rows = PublishedRows(dataset.input())
    pool = read_pool(rows, write)
    show_warnings([f"{dataset.data}: {line}" for line in rows.notes()])
    return pool


def _show_round(report: RoundReport, left_out: dict[str, int]) -> None:
    for reason, count in left_out.items():
        typer.echo(f"{count:,} rows without a prompt and answers: {reason}")
    findings = report.findings
    typer.echo(
        f"round {report.number}, on {findings.gold_held_out:,} gold pairs that are never used for "
        "training:"
    )
    accuracy = {name: _format_share(share) for name, share in findings.gold_right.items()}
    typer.echo(f"  accuracy of the gold probe: {accuracy['gold']}")
    if report.before:
        typer.echo(f"  accuracy of the probe with previous pairs: {accuracy['best']}")
    changes = (f"{name.replace('_', ' ')} {count:,}" for name, count in report.changes.items())
    typer.echo(f"kept {report.rows_kept:,} pairs: {', '.join(changes)}")
    typer.echo(f"for review: {findings.for_people:,} pairs near hard gold pairs")


def _format_share(accuracy: ProbeAccuracy | None) -> str:
    """Format a share with its interval."""
    if accuracy is None:
        return "too few pairs for an estimate"
    return f"{accuracy.share:.3f} [{accuracy.low:.3f}, {accuracy.high:.3f}]"
