"""The command `curate list`."""

from __future__ import annotations

from typing import Annotated

import typer

from curate.cli.options import Json
from curate.errors import CurateError


def list_steps(
    name: Annotated[
        str | None, typer.Argument(help="Show this scorer or filter in detail.")
    ] = None,
    recipes: Annotated[
        bool,
        typer.Option("--recipes", help="List the published methods for 'curate init --recipe'."),
    ] = False,
    with_research: Annotated[
        bool, typer.Option("--all", help="Also list steps that gained nothing in measurements.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List scorers, filters, formats and exports."""
    if recipes:
        _list_recipes(as_json)
    elif name is not None:
        _show_one(name, as_json)
    elif as_json:
        from curate.cli.list_steps import list_of_steps
        from curate.cli.safe import json_text

        typer.echo(json_text(list_of_steps().to_json()))
    else:
        _show_brief(with_research)


def _show_one(name: str, as_json: bool) -> None:
    from curate.cli.list_steps import list_of_steps
    from curate.cli.safe import json_text
    from curate.cli.show_list import show_step
    from curate.errors import suggestion

    listing = list_of_steps()
    steps = listing.scorers | listing.filters
    tables = {"format": listing.formats, "export": listing.exports}
    entries = {kind: table[name] for kind, table in tables.items() if name in table}
    if name in steps and as_json:
        typer.echo(json_text(steps[name].to_json()))
    elif name in steps:
        show_step(name, steps[name])
    elif entries:
        lines = "\n".join(f"{kind}: {summary}" for kind, summary in entries.items())
        typer.echo(json_text(entries) if as_json else lines)
    else:
        fix = suggestion(name, [*steps, *listing.formats, *listing.exports])
        raise CurateError("no such scorer, filter, format or export", found=repr(name), fix=fix)


def _show_brief(with_research: bool) -> None:
    from curate.cli.brief_list import brief_list
    from curate.cli.show_list import show_list

    show_list(brief_list(), with_research)


def _list_recipes(as_json: bool) -> None:
    from curate.cli.safe import json_text
    from curate.cli.show_list import show_recipes
    from curate.recipes import recipe_names

    recipes = recipe_names()
    if as_json:
        typer.echo(json_text(recipes))
    else:
        show_recipes(recipes)
