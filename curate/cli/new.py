"""The command `curate new`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from curate.cli.options import OutputFolder
from curate.errors import CurateError

_SCORER_TEMPLATE = '''"""{title}."""

from __future__ import annotations

import polars as pl
from pydantic import Field

from curate import HIGHER, Column, Context, Parameters, Scope, Scorer
from curate.data.table import messages_text


class {cls}Params(Parameters):
    """Parameters of `{name}`."""

    letters: str = Field("aeiou", description="Letters to count.")


class {cls}(Scorer[{cls}Params]):
    """Replace this with what the score means, its range, and its source."""

    name = "{name}"
    purpose = "plug-ins"
    summary = "share of the counted letters in the chosen answer"
    scope = Scope.ROW  # Scope.TABLE when a pair's score needs all pairs
    Params = {cls}Params

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of `score`, in order."""
        return (Column("share", "share of counted letters, 0 to 1", "float", HIGHER),)

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return one row per pair, in order, without a loop over rows."""
        text = messages_text("chosen").str.to_lowercase()
        counted = text.str.count_matches(f"[{{self.params.letters}}]")
        return pairs.select(share=counted / text.str.len_chars().clip(1))
'''

_FILTER_TEMPLATE = '''"""{title}."""

from __future__ import annotations

import polars as pl
from pydantic import Field

from curate import Context, Filter, FilterResult, Parameters, same_reason


class {cls}Params(Parameters):
    """Parameters of `{name}`."""

    max_chars: int = Field(1000, ge=0, description="Longest chosen answer, in characters.")


class {cls}(Filter[{cls}Params]):
    """Replace this with what the filter drops, and why."""

    name = "{name}"
    purpose = "plug-ins"
    summary = "drop pairs with a long chosen answer"
    Params = {cls}Params

    def reads(self) -> tuple[str, ...]:
        """Return the columns that `apply` needs: of pairs, or of scorers (`lengths.chosen`)."""
        return ("lengths.chosen",)

    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Return which pairs to keep, and why the others are dropped."""
        limit = self.params.max_chars
        keep = pairs["lengths.chosen"] <= limit
        return same_reason(keep, f"the chosen answer is longer than {{limit}} characters")
'''

_TEST_TEMPLATE = '''"""Tests of `{name}`."""

from __future__ import annotations

from curate import Pairs, Pipeline, read_pairs
from {module} import {cls}


def test_{name}_on_two_pairs(tmp_path) -> None:
    rows = [
        '{{"prompt": "p", "chosen": "aaaa", "rejected": "b"}}',
        '{{"prompt": "q", "chosen": "xx", "rejected": "b"}}',
    ]
    (tmp_path / "a.jsonl").write_text("\\n".join(rows) + "\\n")
    pairs: Pairs = read_pairs(str(tmp_path / "a.jsonl"))
    step = {cls}()
    {body}
    assert Pipeline({{"scorers": [{{"type": "lengths"}}]}}).run(pairs).rows_in == 2
'''
_TEST_BODIES = {
    "scorer": """from curate import Context

    assert step.score(pairs.frame, Context())["share"].to_list() == [1.0, 0.0]""",
    "filter": """from curate import Context

    frame = pairs.frame.with_columns(__lengths=1).rename({"__lengths": "lengths.chosen"})
    assert step.apply(frame, Context()).keep.to_list() == [True, True]""",
}


def new(
    kind: Annotated[Literal["scorer", "filter"], typer.Argument(help="scorer or filter.")],
    name: Annotated[str, typer.Argument(help="Name of the step, such as my_score.")],
    output: OutputFolder = Path(),
) -> None:
    """Write a template for a scorer or filter, with its test and entry point."""
    from curate.steps.entries import filter_names, scorer_names

    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
        raise CurateError(
            "wrong name",
            found=repr(name),
            expected="lower-case letters, digits and _, starting with a letter",
        )
    if name in (*scorer_names(), *filter_names()):
        raise CurateError("the name is already in use", found=repr(name), fix="see: curate list")
    cls = "".join(part.capitalize() for part in name.split("_"))
    words = {"name": name, "cls": cls, "title": name.replace("_", " ").capitalize(), "module": name}
    template = _SCORER_TEMPLATE if kind == "scorer" else _FILTER_TEMPLATE
    files = {
        output / f"{name}.py": template.format(**words),
        output / f"test_{name}.py": _TEST_TEMPLATE.format(**words, body=_TEST_BODIES[kind]),
    }
    existing = [path for path in files if path.exists()]
    if existing:
        raise CurateError(
            "the file already exists", where=str(existing[0]), fix="choose another name"
        )
    output.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
        typer.echo(f"wrote {path}")
    typer.echo(
        "register it in the pyproject.toml of your package, then install the package:\n"
        f'[project.entry-points."curate.{kind}s"]\n{name} = "{name}:{cls}"'
    )
