"""Write the sources of the site to `.site-source`: the pages of this folder, and generated ones.

Run it before `zensical build`. What steps and exports declare becomes pages; none is committed.
"""

from __future__ import annotations

import inspect
import shutil
import textwrap
from pathlib import Path
from typing import Any

from curate.cli.list_steps import StepDescription, list_of_steps
from curate.data.content_kinds import ALL_CONTENT_KINDS
from curate.steps.contracts import Step
from curate.steps.declarations import Standing
from curate.steps.registry import filter_class, scorer_class
from curate.write.exports import export_names, get_export

HERE = Path(__file__).parent
TARGET = HERE.parent / ".site-source"
STANDINGS = {
    Standing.RECOMMENDED: "it helped on all sets tried, or finds what is wrong in any set",
    Standing.SITUATIONAL: "it is for data of its kind",
    Standing.RESEARCH: "it gained nothing, or harmed, [where measured](../../explanation/proof.md)",
}


def cell(value: Any) -> str:
    """Return a text that stays within its cell of a table."""
    return str(value).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def split_docstring(step: type[Step[Any]]) -> tuple[str, str]:
    """Return the prose of a step's docstring, and its example as Python code."""
    prose, _, example = (inspect.getdoc(step) or "").partition("\nExamples:\n")
    return prose.strip(), textwrap.dedent(example).strip()


def page(name: str, entry: StepDescription, step: type[Step[Any]]) -> str:
    """Return the page of one scorer or filter."""
    prose, example = split_docstring(step)
    lines = [f"# `{name}`", "", prose, ""]
    if entry.when:
        lines += [f"**When.** {entry.when}", ""]
    standing = entry.standing
    lines += [f"**Standing.** {standing.capitalize()}: {STANDINGS[standing]}.", ""]
    lines += [f"**Cost.** {entry.cost.capitalize()}.", ""]
    if entry.reference:
        lines += [f"**Paper.** {entry.reference}", ""]
    if entry.parameters:
        lines += ["## Parameters", "", "| parameter | default | meaning |", "|---|---|---|"]
        for key, parameter in entry.parameters.items():
            lines.append(f"| `{key}` | `{cell(parameter.default)}` | {cell(parameter.meaning)} |")
        lines.append("")
    if entry.columns:
        lines += ["## Columns", "", "| column | meaning | unit | direction |", "|---|---|---|---|"]
        for column in entry.columns:
            facts = (column.meaning, column.unit, column.direction)
            lines.append(f"| `{column.name}` | " + " | ".join(map(cell, facts)) + " |")
    if example:
        lines += ["", "## Example", "", "```pycon", example, "```"]
    return "\n".join(lines) + "\n"


def index(steps: dict[str, StepDescription], folder: str) -> str:
    """Return a table of all steps of a section for each purpose."""
    lines: list[str] = []
    for purpose in dict.fromkeys(entry.purpose for entry in steps.values()):
        lines += ["", f"## {purpose.capitalize()}", ""]
        lines += ["| name | standing | does | when |", "|---|---|---|---|"]
        rows = [item for item in steps.items() if item[1].purpose == purpose]
        for name, entry in sorted(rows, key=lambda row: list(STANDINGS).index(row[1].standing)):
            texts = " | ".join(map(cell, (entry.standing, entry.summary, entry.when)))
            lines.append(f"| [`{name}`]({folder}/{name}.md) | {texts} |")
    return "\n".join(lines) + "\n"


def parts() -> str:
    """Which export holds which part of a pair, from what the exports declare."""
    forms = {name: get_export(name) for name in export_names()}
    lines = [
        "# Feature support by export format",
        "",
        "yes: exported unchanged; rewritten: exported in another notation, with a warning; -: the "
        "run stops, or continues with `allow_loss` and counts the loss. Media bytes need Parquet.",
        "",
        "| field | " + " | ".join(f"`{name}`" for name in forms) + " |",
        "|---" * (len(forms) + 1) + "|",
    ]
    for part in ALL_CONTENT_KINDS:
        cells = [
            "rewritten" if part in form.rewrites else "yes" if part in form.holds else "-"
            for form in forms.values()
        ]
        lines.append(f"| {part} | " + " | ".join(cells) + " |")
    lines += ["", "## Rewritten", ""]
    for name, form in forms.items():
        told = "; ".join(f"{part} {how}" for part, how in form.rewrites.items())
        lines += [f"- `{name}`: {told}."] if told else []
    return "\n".join(lines) + "\n"


def write(place: str, text: str) -> None:
    """Write a page of the site."""
    path = TARGET / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_site_source() -> None:
    """Write all pages, in the place of those of an earlier call."""
    shutil.rmtree(TARGET, ignore_errors=True)
    shutil.copytree(HERE, TARGET, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    write("reference/trainers/parts.md", parts())
    steps = list_of_steps()
    sections = (
        ("scorers", steps.scorers, scorer_class),
        ("filters", steps.filters, filter_class),
    )
    for section, entries, load in sections:
        intro = (HERE / f"reference/{section}.md").read_text(encoding="utf-8")
        write(f"reference/{section}.md", intro.rstrip() + "\n" + index(entries, section))
        for name, entry in entries.items():
            write(f"reference/{section}/{name}.md", page(name, entry, load(name)))
    changelog = (HERE.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    write("changelog.md", changelog.replace("](docs/", "]("))


if __name__ == "__main__":
    write_site_source()
