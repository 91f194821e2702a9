"""YAML with the line and column of every key, so that errors can point at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from curate.errors import CurateError

Key = tuple[str | int, ...]


@dataclass(frozen=True)
class Places:
    """Line and column (from 1) of every key and list item of one file."""

    name: str
    marks: dict[Key, tuple[int, int]]

    def describe(self, loc: Sequence[str | int]) -> str:
        """`file, line L, column C: a.b.c` for the deepest part of `loc` that stands in the file."""
        key = tuple(loc)
        dotted = ".".join(str(part) for part in key) or "(top level)"
        while key and key not in self.marks:
            key = key[:-1]
        if key not in self.marks:
            return f"{self.name}: {dotted}"
        line, column = self.marks[key]
        return f"{self.name}, line {line}, column {column}: {dotted}"


def load_yaml(text: str, name: str) -> tuple[Any, Places]:
    """The data of a YAML text and the places of its keys.

    Raises:
        CurateError: the text is not YAML, or a mapping names a key twice.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        marks: dict[Key, tuple[int, int]] = {}
        if node is not None:
            _collect(node, (), marks, name)
        return yaml.safe_load(text), Places(name, marks)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{name}, line {mark.line + 1}, column {mark.column + 1}" if mark else name
        raise CurateError("the file is not valid YAML", where=where, found=error.problem) from None


def _collect(node: yaml.Node, path: Key, marks: dict[Key, tuple[int, int]], name: str) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, key.value)
            mark = (key.start_mark.line + 1, key.start_mark.column + 1)
            if here in marks:
                where = f"{name}, line {mark[0]}, column {mark[1]}"
                fix = f"it stands on line {marks[here][0]} already"
                raise CurateError("a key is given twice", where=where, found=key.value, fix=fix)
            marks[here] = mark
            _collect(value, here, marks, name)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            marks[(*path, index)] = (value.start_mark.line + 1, value.start_mark.column + 1)
            _collect(value, (*path, index), marks, name)
