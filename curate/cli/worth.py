"""The command `curate worth`."""

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
    FormatName,
    Limit,
    Most,
    OverwriteFolder,
    Split,
)
from curate.data.limits import DEFAULT_MAX_PAIRS

if TYPE_CHECKING:
    from curate.benchmark.data import BenchData
    from curate.benchmark.worth import Worth
    from curate.steps.context import Progress

_RESULT_FILE = "worth.json"

_LeastGain = Annotated[
    float,
    typer.Option(
        min=1e-4, max=0.5, help="Smallest worthwhile accuracy gain from doubling the data."
    ),
]
_Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Folder for worth.json and worth.html.")
]


def worth(
    data: Data,
    noise: Annotated[str, typer.Option(help="Comma-separated flip rates to test.")] = "0.2,0.4",
    seeds: Annotated[int, typer.Option(min=2, help="Repetitions of each experiment.")] = 8,
    least_gain: _LeastGain = 0.005,
    embedder: EmbedderName = "auto",
    format: FormatName = "auto",
    columns: Columns = None,
    split: Split = None,
    config: ConfigName = None,
    limit: Limit = None,
    most: Most = DEFAULT_MAX_PAIRS,
    output: _Output = None,
    overwrite: OverwriteFolder = False,
) -> None:
    """Estimate the value of more data.

    Shows learning curves, how many noisy pairs equal one clean pair, and when to stop.
    """
    from curate.benchmark.command import check_rates
    from curate.benchmark.worth import WorthPlan, measure_worth
    from curate.cli.bench import parse_rates
    from curate.cli.console import show_warnings
    from curate.cli.progress import console_progress
    from curate.cli.show_worth import show_worth
    from curate.write.run_folder import check_free

    plan = WorthPlan(parse_rates(noise), seeds, least_gain)
    check_rates(plan.rates)
    if output is not None:
        check_free(output, overwrite, _RESULT_FILE)
    dataset = DatasetOptions(data, format, columns, split, config, limit)
    with console_progress() as progress:
        clean_pairs, reading_notes, notes = _read_clean_pairs(dataset, most, embedder, progress)
        result = measure_worth(clean_pairs, plan, progress)
    show_warnings(notes)
    show_worth(result)
    if output is not None:
        _write_worth(result, [*reading_notes, *notes], output, overwrite)


def _read_clean_pairs(
    dataset: DatasetOptions, most: int, embedder: str, progress: Progress
) -> tuple[BenchData, list[str], list[str]]:
    """Return embedded pairs whose labels count as clean, and notes on reading and on cleaning."""
    from curate.benchmark.command import clean_data, dataset_name
    from curate.models.embed.settings import EmbedderConfig

    pairs = dataset.sample(progress, most)
    settings = EmbedderConfig(name=embedder)
    name = dataset_name(dataset.data)
    clean_pairs, notes = clean_data(name, pairs.frame, settings, progress, folders=pairs.folders)
    return clean_pairs, pairs.reading_notes(), notes


def _write_worth(result: Worth, notes: list[str], output: Path, overwrite: bool) -> None:
    """Write worth.json and worth.html."""
    from curate.benchmark.worth_page import worth_html
    from curate.report.page import write_page
    from curate.versions import versions
    from curate.write.run_folder import atomic_folder
    from curate.write.shards import write_json

    with atomic_folder(output, overwrite, _RESULT_FILE) as stage:
        write_page(worth_html(result), stage / "worth.html")
        metadata = {"versions": versions(), "notes": notes}
        write_json(metadata | result.to_json(), stage / _RESULT_FILE)
    typer.echo(f"written: {output / _RESULT_FILE}, {output / 'worth.html'}")
