"""The purpose of a step, read from its source, so that listing steps needs no torch."""

from __future__ import annotations

import ast
import importlib.util
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path

_SUMMARY_FIELDS = ("name", "purpose", "summary")


def step_summary(entry: EntryPoint) -> dict[str, str] | None:
    """Return `purpose` and `summary` of a step's class; None unless they are plain constants.

    The step is not imported, so this does not say whether it can be used.
    """
    try:
        spec = importlib.util.find_spec(entry.module)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    texts = _class_texts(spec.origin).get(entry.attr, {})
    return texts if texts.keys() >= set(_SUMMARY_FIELDS) else None


def step_names_in(package: str) -> list[str]:
    """Return the `name`s of all classes in a package's modules, sorted, without importing."""
    spec = importlib.util.find_spec(package)
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    files = [str(path) for folder in folders for path in sorted(Path(folder).glob("*.py"))]
    names = {texts["name"] for f in files for texts in _class_texts(f).values() if "name" in texts}
    return sorted(names)


@cache
def _class_texts(path: str) -> dict[str, dict[str, str]]:
    """Return the text attributes in `_SUMMARY_FIELDS` of each class in a file."""
    try:
        tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return {}
    return {
        node.name: {
            target.id: statement.value.value
            for statement in node.body
            if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
            for target in statement.targets
            if isinstance(target, ast.Name)
            and target.id in _SUMMARY_FIELDS
            and isinstance(statement.value.value, str)
        }
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }
