"""Reference pages of the configuration, the commands, formats, exports and columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
import typer
from step_pages import cell, table

from curate.cli.app import app
from curate.cli.list_steps import Listing
from curate.data.content_kinds import ALL_CONTENT_KINDS
from curate.data.table import PAIR_COLUMNS
from curate.pipeline.config import PipelineConfig
from curate.pipeline.schema import pipeline_schema
from curate.write.exports import export_names, get_export

SECTIONS = {
    "input": "InputConfig",
    "input.columns": "ColumnMapping",
    "input.ranking": "RankingRule",
    "output": "OutputConfig",
    "embedder": "EmbedderConfig",
    "inference": "Inference",
    "engine": "EngineConfig",
    "gold": "GoldConfig",
    "a source of a mixture (a list at input)": "SourceConfig",
}


def feature_support_page() -> str:
    """Return which export holds which part of a pair, from what the exports declare."""
    forms = {name: get_export(name) for name in export_names()}
    lines = [
        "# Feature support by export format",
        "",
        "yes: exported unchanged; rewritten: exported in another notation, with a warning; -: the "
        "run stops, or continues with `allow_loss` and counts the loss. Media bytes need Parquet.",
        "",
    ]
    rows = []
    for part in ALL_CONTENT_KINDS:
        cells = [
            "rewritten" if part in form.rewrites else "yes" if part in form.holds else "-"
            for form in forms.values()
        ]
        rows.append((part, *cells))
    lines += table(("field", *(f"`{name}`" for name in forms)), rows)
    lines += ["## Rewritten", ""]
    for name, form in forms.items():
        rewritten = "; ".join(f"{part} {how}" for part, how in form.rewrites.items())
        lines += [f"- `{name}`: {rewritten}."] if rewritten else []
    return "\n".join(lines) + "\n"


def formats_page(listing: Listing) -> str:
    """Return the formats that are read and the exports that are written."""
    formats = [(f"`{name}`", text) for name, text in listing.formats.items()]
    exports = [(f"`{name}`", text) for name, text in listing.exports.items()]
    lines = ["# Formats", "", "`curate list` prints these tables, with those of plug-ins.", ""]
    lines += ["## Read", "", "Detected from the first rows, or named by `input.format`: "]
    lines += ["[reading data](../guides/reading.md).", ""]
    lines += table(("format", "holds"), list(formats))
    lines += ["## Written", "", "Named by `output.format` or `curate export --to`; one row of "]
    lines += ["each: [trainers](../guides/trainers/index.md).", ""]
    lines += table(("export", "holds"), list(exports))
    return "\n".join(lines) + "\n"


def columns_page(listing: Listing) -> str:
    """Return the columns of the pair table, and all score columns."""
    lines = ["# Columns", "", "## The pair table", ""]
    lines += ["What every step reads, and what `pairs/` of a run holds.", ""]
    lines += table(("column", "type"), [(f"`{n}`", f"`{t}`") for n, t in PAIR_COLUMNS.items()])
    lines += ["## Score columns", "", "All are in `scores.parquet`, one row a pair.", ""]
    entries = {**listing.scorers, **listing.filters}
    rows = [
        (f"`{column.name}`", column.unit, column.meaning)
        for entry in entries.values()
        for column in entry.columns
    ]
    return "\n".join(lines + table(("column", "range or unit", "meaning"), rows)) + "\n"


def configuration_page() -> str:
    """Return the keys of pipeline.yaml, section by section, from its JSON schema."""
    schema = pipeline_schema()
    definitions: dict[str, Any] = schema["$defs"]  # type: ignore[assignment]
    lines = ["# pipeline.yaml", ""]
    lines += ["`curate schema` prints the same as a JSON schema for editors. Steps: ", ""]
    lines += ["[scorers](scorers.md), [filters](filters.md).", "", "## Top level", ""]
    lines += _key_table(schema["properties"], schema)  # type: ignore[arg-type]
    for title, name in SECTIONS.items():
        model = definitions[name]
        lines += [f"## {title}", "", str(model.get("description", "")), ""]
        lines += _key_table(model["properties"], model)
    return "\n".join(lines) + "\n"


def _key_table(properties: dict[str, Any], model: dict[str, Any]) -> list[str]:
    required = set(model.get("required", []))
    fields = PipelineConfig.model_fields
    rows = []
    for key, value in properties.items():
        default = "required" if key in required else value.get("default", "")
        text = value.get("description") or (fields[key].description if key in fields else "") or ""
        rows.append((f"`{key}`", f"`{cell(default)}`" if default != "" else "", text))
    return table(("key", "default", "meaning"), list(rows))


def commands_page() -> str:
    """Return all commands with their arguments and options."""
    group = typer.main.get_command(app)
    context = click.Context(group, info_name="curate")
    lines = ["# Commands", "", "`curate COMMAND --help` prints the same.", ""]
    for name in group.list_commands(context):  # type: ignore[attr-defined]
        command = group.get_command(context, name)  # type: ignore[attr-defined]
        if command is None or command.hidden:
            continue
        lines += [f"## curate {name}", "", (command.help or "").strip(), ""]
        lines += table(("option", "meaning"), list(_option_rows(command)))
    return "\n".join(lines) + "\n"


def _option_rows(command: click.Command) -> Iterator[tuple[str, str]]:
    for parameter in command.params:
        if getattr(parameter, "hidden", False):
            continue
        names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
        yield names, str(getattr(parameter, "help", "") or "")
