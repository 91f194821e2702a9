"""What a step says of itself, read from its source, so that listing steps needs no torch."""

from __future__ import annotations

import ast
import importlib.util
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path

from curate.data.json_result import JsonResult
from curate.steps.declarations import Standing

_SUMMARY_FIELDS = ("name", "purpose", "summary")
_STANDING = "standing"


@dataclass(frozen=True)
class StepSummary(JsonResult):
    """What a list of steps says of a scorer or filter.

    Attributes:
        name: its type in a pipeline.
        summary: what it does, in a line.
        purpose: what it is for; steps are listed by it.
        standing: recommended, situational or research.
    """

    name: str
    summary: str
    purpose: str
    standing: str


def step_summary(entry: EntryPoint) -> StepSummary | None:
    """Return the summary of a step's class; None unless its texts are constants.

    The step is not imported, so this does not say whether it can be used.
    """
    try:
        spec = importlib.util.find_spec(entry.module)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    texts = _class_texts(spec.origin).get(entry.attr, {})
    return StepSummary(**texts) if texts.keys() >= set(_SUMMARY_FIELDS) else None


def step_names_in(package: str) -> list[str]:
    """Return the `name`s of all classes in a package's modules, sorted, without importing."""
    spec = importlib.util.find_spec(package)
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    files = [str(path) for folder in folders for path in sorted(Path(folder).glob("*.py"))]
    names = {texts["name"] for f in files for texts in _class_texts(f).values() if "name" in texts}
    return sorted(names)


@cache
def _class_texts(path: str) -> dict[str, dict[str, str]]:
    """Return the text attributes in `_SUMMARY_FIELDS` of each class in a file, and its standing."""
    try:
        tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return {}
    return {node.name: _texts_of(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _texts_of(node: ast.ClassDef) -> dict[str, str]:
    texts = {_STANDING: Standing.SITUATIONAL.value}
    for statement in node.body:
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            continue
        name, value = statement.targets[0].id, statement.value
        if name in _SUMMARY_FIELDS and isinstance(value, ast.Constant):
            texts |= {name: value.value} if isinstance(value.value, str) else {}
        elif name == _STANDING and isinstance(value, ast.Attribute):
            texts[name] = Standing[value.attr].value
    return texts
