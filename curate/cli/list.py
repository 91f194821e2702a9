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

        typer.echo(json_text(list_of_steps()))
    else:
        _show_brief(with_research)


def _show_one(name: str, as_json: bool) -> None:
    from curate.cli.console import show_step
    from curate.cli.list_steps import list_of_steps
    from curate.cli.safe import json_text
    from curate.errors import suggestion

    listing = list_of_steps()
    steps = listing["scorers"] | listing["filters"]
    kinds = [k for k in ("formats", "exports") if name in listing[k]]
    if name in steps and as_json:
        typer.echo(json_text(steps[name]))
    elif name in steps:
        show_step(name, steps[name])
    elif kinds:
        entries = {kind.removesuffix("s"): listing[kind][name] for kind in kinds}
        lines = "\n".join(f"{kind}: {summary}" for kind, summary in entries.items())
        typer.echo(json_text(entries) if as_json else lines)
    else:
        fix = suggestion(name, [*steps, *listing["formats"], *listing["exports"]])
        raise CurateError("no such scorer, filter, format or export", found=repr(name), fix=fix)


def _show_brief(with_research: bool) -> None:
    from curate.cli.brief_list import brief_list
    from curate.cli.console import show_list

    show_list(brief_list(), with_research)


def _list_recipes(as_json: bool) -> None:
    from curate.cli.console import show_recipes
    from curate.cli.safe import json_text
    from curate.recipes import recipe_names

    recipes = recipe_names()
    if as_json:
        typer.echo(json_text(recipes))
    else:
        show_recipes(recipes)
