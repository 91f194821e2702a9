"""The command `curate worth`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curate.cli.inputs import Given
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
from curate.data.bounds import MOST_PAIRS


def worth(
    data: Data,
    noise: Annotated[str, typer.Option(help="Comma-separated flip rates to test.")] = "0.2,0.4",
    seeds: Annotated[int, typer.Option(min=2, help="Repetitions of each experiment.")] = 8,
    least_gain: Annotated[
        float,
        typer.Option(
            min=1e-4, max=0.5, help="Smallest worthwhile accuracy gain from doubling the data."
        ),
    ] = 0.005,
    embedder: EmbedderName = "auto",
    format: FormatName = "auto",
    columns: Columns = None,
    split: Split = None,
    config: ConfigName = None,
    limit: Limit = None,
    most: Most = MOST_PAIRS,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for worth.json and worth.html.")
    ] = None,
    overwrite: OverwriteFolder = False,
) -> None:
    """Estimate the value of more data.

    Shows learning curves, how many noisy pairs equal one clean pair, and when to stop.
    """
    from curate.bench.command import check_rates, clean_data, dataset_name
    from curate.bench.worth import WorthPlan, measure_worth
    from curate.cli.bench import rates_of
    from curate.cli.console import show_warnings
    from curate.cli.progress import console_progress
    from curate.cli.show_worth import as_data, plot, show_worth
    from curate.models.embed.settings import EmbedderConfig
    from curate.versions import versions
    from curate.write.run_folder import check_free, staged
    from curate.write.shards import write_json, write_text

    plan = WorthPlan(rates_of(noise), seeds, least_gain)
    check_rates(plan.rates)
    if output is not None:
        check_free(output, overwrite, _MARK)
    given = Given(data, format, columns, split, config, limit)
    with console_progress() as progress:
        pairs = given.sample(progress, most)
        settings = EmbedderConfig(name=embedder)
        name = dataset_name(data)
        clean, told = clean_data(name, pairs.frame, settings, progress, folders=pairs.folders)
        found = measure_worth(clean, plan, progress)
    show_warnings(told)
    show_worth(found)
    if output is not None:
        with staged(output, overwrite, _MARK) as stage:
            write_text(plot(found).to_html(include_plotlyjs=True), stage / "worth.html")
            before = {"versions": versions(), "notes": [*pairs.reading_notes(), *told]}
            write_json(before | as_data(found), stage / _MARK)
        typer.echo(f"written: {output / _MARK}, {output / 'worth.html'}")


_MARK = "worth.json"
