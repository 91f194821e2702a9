"""Terminal output of `curate list`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from curate.cli.console import err, out
from curate.steps.declarations import Standing

if TYPE_CHECKING:
    from curate.cli.brief_list import BriefListing
    from curate.cli.list_steps import StepDescription
    from curate.steps.brief import StepSummary


def show_list(listing: BriefListing, with_research: bool = False) -> None:
    """Print scorers and filters, one per line, then formats and exports.

    The recommended steps come first, others by purpose, those of research on request.
    """
    research: list[str] = []
    for section, steps in listing.steps.items():
        groups: dict[str, dict[str, StepSummary]] = {Standing.RECOMMENDED: {}}
        for name, step in steps.items():
            is_situational = step.standing == Standing.SITUATIONAL
            groups.setdefault(step.purpose if is_situational else step.standing, {})[name] = step
        research_steps = groups.pop(Standing.RESEARCH, {})
        research += research_steps
        for group, entries in (groups | {Standing.RESEARCH: research_steps}).items():
            if entries and (with_research or entries is not research_steps):
                out.print(Text(f"{section}: {group}", style="bold"))
                _print_summaries(entries)
    if research and not with_research:
        title = "research, without gain where it was measured (curate list --all): "
        out.print(
            Text.assemble((title, "bold"), ", ".join(research)), soft_wrap=not out.is_terminal
        )
    for section, names in listing.names.items():
        text = Text.assemble((f"{section}: ", "bold"), ", ".join(names))
        out.print(text, soft_wrap=not out.is_terminal)
    for name, reason in listing.unusable.items():
        err.print(Text.assemble(("cannot be used: ", "bold yellow"), f"{name}: {reason}"))
    out.print("Details of a step, format or export: curate list NAME. As JSON: --json")


def _print_summaries(steps: Mapping[str, StepSummary]) -> None:
    """Print names and summaries; long summaries are cut at the edge of the terminal."""
    width = max((len(name) for name in steps), default=0)
    for name, step in steps.items():
        line = Text(f"  {name:<{width}}  {step.summary}")
        if out.is_terminal and out.width > width + 20:
            line.truncate(out.width, overflow="ellipsis")
        out.print(line, soft_wrap=True)


def show_recipes(recipes: dict[str, str]) -> None:
    """Print names and summaries of recipes."""
    table = Table("recipe", "does", title="Recipes", title_justify="left")
    for name, summary in recipes.items():
        table.add_row(name, escape(summary))
    out.print(table)
    out.print("To write one as a pipeline: curate init --recipe NAME")


def show_step(name: str, step: StepDescription) -> None:
    """Print parameters, columns and paper of a scorer or filter."""
    out.print(Text.assemble((name, "bold"), f": {step.summary}"))
    if step.when:
        out.print(Text(f"when: {step.when}"))
    out.print(Text(f"standing: {step.standing}"))
    out.print(Text(f"cost: {step.cost}"))
    if step.reference:
        out.print(Text(f"paper: {step.reference}"))
    table = Table("parameter", "default", "meaning", title="Parameters", title_justify="left")
    for key, parameter in step.parameters.items():
        table.add_row(key, escape(str(parameter.default)), escape(parameter.meaning))
    if step.parameters:
        out.print(table)
    table = Table("column", "meaning", "unit", "direction", title="Columns", title_justify="left")
    for column in step.columns:
        cells = (column.name, column.meaning, column.unit, column.direction)
        table.add_row(*(escape(cell) for cell in cells))
    if step.columns:
        out.print(table)
