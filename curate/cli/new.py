"""The command `curate new`."""

from __future__ import annotations

import keyword
import re
import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from curate.errors import CurateError

_TEMPLATES = Path(__file__).parent / "templates"
"""Files of a package, each with `.txt` after its name so that no tool takes it for code."""

StepType = Literal["scorer", "filter", "format", "export"]
ScorerKind = Literal["row", "table", "learned", "model"]


def new(
    step: Annotated[StepType, typer.Argument(help="scorer, filter, format or export.")],
    name: Annotated[str, typer.Argument(help="Name of the step, such as my_score.")],
    kind: Annotated[
        ScorerKind | None,
        typer.Option(
            help="Kind of scorer: row (each pair by itself; default), table (all pairs together), "
            "learned (from the labels, out of fold), model (a language model)."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to write; default: the name.")
    ] = None,
) -> None:
    """Write a package with a new scorer, filter, format or export, ready to install and test."""
    _check_name(name)
    if kind is not None and step != "scorer":
        raise CurateError(f"a {step} has no kind", found=f"--kind {kind}", fix="leave --kind out")
    template = (kind or "row") if step == "scorer" else step
    folder = output or Path(name)
    files = {
        folder / "pyproject.toml": "pyproject.toml.txt",
        folder / "src" / name / "__init__.py": f"{template}.py.txt",
        folder / "tests" / f"test_{name}.py": f"test_{template}.py.txt",
    }
    existing = [path for path in files if path.exists()]
    if existing:
        raise CurateError(
            "the file already exists", where=str(existing[0]), fix="choose another --output"
        )
    for path, template_name in files.items():
        _write(path, _template_text(template_name, step, name))
    _write(folder / "src" / name / "py.typed", "")
    typer.echo(f"install and test it: cd {shlex.quote(str(folder))} && pip install -e . && pytest")


def _check_name(name: str) -> None:
    """Make sure that the name can be a module's, and that no step has it.

    Raises:
        CurateError: it cannot, or one has.
    """
    from curate.read.formats import format_names
    from curate.steps.entries import filter_names, scorer_names
    from curate.write.exports import export_names

    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
        raise CurateError(
            "wrong name",
            found=repr(name),
            expected="lower-case letters, digits and _, starting with a letter",
        )
    # A module of that name could not be imported, or would hide Python's.
    if keyword.iskeyword(name) or name in sys.stdlib_module_names:
        raise CurateError("the name is one of Python's own", found=repr(name))
    if name in (*scorer_names(), *filter_names(), *format_names(), *export_names()):
        raise CurateError("the name is already in use", found=repr(name), fix="see: curate list")


def _template_text(template: str, step: StepType, name: str) -> str:
    """Return the text of a template with the names of the step."""
    words = {
        "_my_step_": name,
        "MyStep": "".join(part.capitalize() for part in name.split("_")),
        "TITLE": name.replace("_", " ").strip().capitalize(),
        "PROJECT": name.strip("_").replace("_", "-"),
        "KIND": step,
    }
    text = (_TEMPLATES / template).read_text(encoding="utf-8")
    # In one pass: a name that contains another placeholder is not replaced twice.
    return re.sub("|".join(words), lambda match: words[match.group()], text)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    typer.echo(f"wrote {path}")
