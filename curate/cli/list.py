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
    as_json: Json = False,
) -> None:
    """List scorers, filters, formats and exports."""
    if recipes:
        _list_recipes(as_json)
        return
    if name is None and not as_json:
        _show_brief()
        return
    from curate.cli.console import show_step
    from curate.cli.list_steps import list_of_steps
    from curate.cli.safe import json_text
    from curate.errors import suggestion

    listing = list_of_steps()
    steps = listing["scorers"] | listing["filters"]
    formats_and_exports = listing["formats"] | listing["exports"]
    if name in formats_and_exports and name not in steps:
        kinds = [k for k in ("formats", "exports") if name in listing[k]]
        entries = {kind.removesuffix("s"): listing[kind][name] for kind in kinds}
        typer.echo(
            json_text(entries) if as_json else "\n".join(f"{k}: {v}" for k, v in entries.items())
        )
        return
    if name is not None and name not in steps:
        fix = suggestion(name, [*steps, *formats_and_exports])
        raise CurateError("no such scorer, filter, format or export", found=repr(name), fix=fix)
    if as_json:
        typer.echo(json_text(listing if name is None else steps[name]))
    elif name is not None:
        show_step(name, steps[name])


def _show_brief() -> None:
    from curate.cli.brief_list import brief_list
    from curate.cli.console import show_list

    show_list(brief_list())


def _list_recipes(as_json: bool) -> None:
    from curate.cli.console import show_recipes
    from curate.cli.safe import json_text
    from curate.recipes import recipe_names

    recipes = recipe_names()
    if as_json:
        typer.echo(json_text(recipes))
    else:
        show_recipes(recipes)
