"""What a step is for, read from its source: a list of steps needs no torch."""

from __future__ import annotations

import ast
import importlib.util
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path

_SAID = ("name", "purpose", "summary")


def brief(entry: EntryPoint) -> dict[str, str] | None:
    """`purpose` and `summary` of a step's class; None where its source does not say them plainly.

    Nothing of the step is imported. Whether it can be used is not known by this.
    """
    try:
        spec = importlib.util.find_spec(entry.module)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    said = _classes(spec.origin).get(entry.attr, {})
    return said if said.keys() >= set(_SAID) else None


def names_in(package: str) -> list[str]:
    """Values of `name` of all classes in the modules of a package, sorted; nothing is imported."""
    spec = importlib.util.find_spec(package)
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    files = [str(path) for folder in folders for path in sorted(Path(folder).glob("*.py"))]
    found = {said["name"] for f in files for said in _classes(f).values() if "name" in said}
    return sorted(found)


@cache
def _classes(path: str) -> dict[str, dict[str, str]]:
    """Texts that each class of a file gives to the names in `_SAID`."""
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
            and target.id in _SAID
            and isinstance(statement.value.value, str)
        }
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }
