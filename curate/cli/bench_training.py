"""`curate bench --train`: the user's own training as the judge."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from curate.cli.inputs import DatasetOptions
from curate.errors import CurateError

if TYPE_CHECKING:
    from curate.benchmark.training.report import TrainingReport
    from curate.data.json_types import JsonObject


class TrainingChoice(NamedTuple):
    """Options of `curate bench` that belong to --train."""

    train: str | None
    metric: str | None
    variants: list[str] | None
    runs: int | None
    hours: float | None
    gpus: list[str] | None
    to: str
    file_type: str
    lower_is_better: bool

    def has_command(self) -> bool:
        """Return whether a training is the judge.

        Raises:
            CurateError: an option that needs --train, without it.
        """
        if self.train is not None:
            return True
        values = self._asdict() | {"to": self.to != "trl", "file_type": self.file_type != "parquet"}
        options = sorted(f"--{name.replace('_', '-')}" for name, value in values.items() if value)
        if options:
            raise CurateError("the option needs --train", where=", ".join(options))
        return False


def bench_by_training(
    data: list[str],
    reading: tuple[str, str | None, str | None, str | None, int | None],
    choice: TrainingChoice,
    seeds: int,
    sections: JsonObject,
    output: Path | None,
) -> None:
    """Compare variants of one dataset by a training command, and print what was found."""
    from curate.benchmark.training.bench_training import TrainingOptions, bench_training
    from curate.benchmark.training.trainer import TrainingCommand
    from curate.benchmark.training.variants import VariantFormat
    from curate.cli.progress import console_progress
    from curate.steps.next_steps import drawn_folder

    if len(data) != 1:
        raise CurateError("--train takes one dataset", where="--train", found=", ".join(data))
    if choice.metric is None:
        expected = "--metric FILE:KEY, such as '{out}/eval.json:accuracy'"
        raise CurateError("--train needs a metric", where="--train", expected=expected)
    command = TrainingCommand(str(choice.train), choice.metric)
    options = TrainingOptions(
        variants=tuple(choice.variants or ("advice",)),
        seeds=seeds,
        runs=choice.runs,
        hours=choice.hours,
        gpus=tuple(choice.gpus or ()),
        lower_is_better=choice.lower_is_better,
        form=VariantFormat(choice.to, choice.file_type),
        sections=sections,
        holds_out=command.needs_held_out,
    )
    folder = output or Path(drawn_folder(data[0], "trained"))
    with console_progress() as progress:
        pairs = DatasetOptions(data[0], *reading).read(progress)
        report = bench_training(pairs, command, folder, options, progress)
    _show_training(report, folder)


def _show_training(report: TrainingReport, folder: Path) -> None:
    """Print the advice, the gains and where everything is."""
    from curate.cli.console import out, show_warnings

    show_warnings(list(report.notes))
    for sentence in report.sentences:
        out.print(Text(sentence, style="bold"))
    if report.lines:
        out.print(Text(report.lines))
    table = Table("variant", "seeds", "gain", "low", "high", "verdict", box=box.SIMPLE)
    for gain in report.gains:
        numbers = (f"{value:+.4g}" for value in (gain.gain, gain.low, gain.high))
        table.add_row(gain.variant, f"{gain.seeds} of {report.seeds}", *numbers, gain.verdict)
    if report.gains:
        out.print(table)
    typer.echo(f"{len(report.runs)} trainings; written: {folder / 'training.json'}")
