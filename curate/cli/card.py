"""The command `curate card`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curate.cli.audit import read_prompts, read_reviews
from curate.cli.diff import read_version
from curate.cli.export import License
from curate.cli.inputs import DatasetOptions
from curate.cli.options import Columns, ConfigName, Data, FormatName, Limit, OverwriteFile, Split

if TYPE_CHECKING:
    from curate.report.dataset_card import DatasetCard

_Against = Annotated[
    str | None, typer.Option(help="Evaluation set: count its prompts that the data contains.")
]
_Gold = Annotated[
    list[str] | None,
    typer.Option(help="Reviewed pairs for the noise rate, as for curate audit; repeat."),
]
_Examples = Annotated[
    int, typer.Option(min=0, max=20, help="Random pairs to show: their texts are published.")
]
_Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Page to write (.html); the Markdown stands beside it."),
]


def card(
    data: Data,
    output: _Output = None,
    license: License = None,
    against: _Against = None,
    gold: _Gold = None,
    examples: _Examples = 3,
    format: FormatName = "auto",
    columns: Columns = None,
    split: Split = None,
    config: ConfigName = None,
    limit: Limit = None,
    overwrite: OverwriteFile = False,
) -> None:
    """Write the state of a dataset as a page and as a Markdown section for its card."""
    from curate.report.page import write_page
    from curate.steps.next_steps import drawn_folder
    from curate.write.file_output import check_output_file
    from curate.write.shards import write_text

    page = output or Path(drawn_folder(data, "card") + ".html")
    section = page.with_suffix(".md")
    for file in (page, section):
        check_output_file(file, overwrite, [data])
    dataset = DatasetOptions(data, format, columns, split, config, limit)
    result = _make_card(dataset, license, against, gold, examples)
    write_page(result.to_html(), page)
    write_text(result.to_markdown(), section)
    typer.echo(f"written: {page}, {section}")


def _make_card(
    dataset: DatasetOptions,
    license: str | None,
    against: str | None,
    gold: list[str] | None,
    examples: int,
) -> DatasetCard:
    """Read and audit the dataset, and return its card."""
    from curate.auditing.command import AuditOptions, audit_pairs
    from curate.cli.progress import console_progress
    from curate.models.embed.settings import EmbedderConfig
    from curate.report.dataset_card import make_dataset_card

    reviews = read_reviews(gold, None)
    with console_progress() as progress:
        pairs = read_version(dataset, progress)
        pairs.require_two_answers("card")
        evaluation = None if against is None else read_prompts(against, progress)
        options = AuditOptions(EmbedderConfig())
        report = audit_pairs(pairs, progress, options, evaluation, reviews, dataset.data)
    name = Path(dataset.data.rstrip("/")).name.split(".")[0]
    return make_dataset_card(pairs.frame, report, name, license, examples)
