"""The command `curate explain`."""

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
    Most,
    OutputFolder,
    OverwriteFolder,
    Seed,
    Split,
)
from curate.data.limits import DEFAULT_MAX_PAIRS

if TYPE_CHECKING:
    import polars as pl

    from curate.explain.explanation import Explanation

_RESULT_FILE, _PAGE = "explanation.json", "explanation.html"
_NameModel = Annotated[str | None, typer.Option(help="Endpoint model that names the features.")]


def explain(
    data: Data,
    output: OutputFolder = Path("explained"),
    features: Annotated[int, typer.Option(min=1, help="Number of features (M).")] = 32,
    active: Annotated[int, typer.Option(min=1, help="Average active features per pair (K).")] = 4,
    embedder: EmbedderName = "auto",
    name_model: _NameModel = None,
    url: EndpointUrl = None,
    format: FormatName = "auto",
    columns: Columns = None,
    split: Split = None,
    config: ConfigName = None,
    limit: Limit = None,
    most: Most = DEFAULT_MAX_PAIRS,
    seed: Seed = 0,
    overwrite: OverwriteFolder = False,
) -> None:
    """Find what the labels reward: words and style across prompts, and features of embeddings."""
    from curate.cli.progress import console_progress
    from curate.errors import CurateError
    from curate.explain.command import explain_labels
    from curate.models.embed.autoencoder import SAESettings
    from curate.models.embed.settings import EmbedderConfig
    from curate.models.judge.endpoint import EndpointParams
    from curate.write.run_folder import check_free

    if active > features:
        raise CurateError("K must not exceed M", where="--active", expected=f"1 to {features}")
    check_free(output, overwrite, _RESULT_FILE)
    namer = None if name_model is None else EndpointParams(model=name_model, base_url=url)
    dataset = DatasetOptions(data, format, columns, split, config, limit)
    with console_progress() as progress:
        pairs = dataset.sample(progress, most)
        settings = (SAESettings.of(features, active), EmbedderConfig(name=embedder))
        explanation, values = explain_labels(pairs, progress, *settings, seed=seed, namer=namer)
    _write_explanation(explanation, values, output, overwrite)


def _write_explanation(
    explanation: Explanation, values: pl.DataFrame, output: Path, overwrite: bool
) -> None:
    """Write the files and print what they say."""
    from curate.cli.console import show_warnings
    from curate.cli.show_explain import show_explanation
    from curate.explain.page import explanation_html
    from curate.report.page import write_page
    from curate.write.run_folder import atomic_folder
    from curate.write.shards import write_frame, write_json

    with atomic_folder(output, overwrite, _RESULT_FILE) as stage:
        write_frame(values, stage / "features.parquet")
        write_json(explanation.to_json(), stage / _RESULT_FILE)
        write_page(explanation_html(explanation), stage / _PAGE)
    show_warnings(explanation.embedder.notes)
    show_explanation(explanation)
    typer.echo(f"written: {output}/{_PAGE}, {output}/{_RESULT_FILE}, {output}/features.parquet")
