"""YAML with the line and column of every key, so that errors can point at it.

The file may come from somebody else, so that nothing in it is constructed but plain data, and its
size when aliases are expanded, its depth and its numbers are bounded before anything is built.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from curate.errors import CurateError, first_line

Key = tuple[str | int, ...]
# Deeper YAML is an attack or a mistake, and ends in Python's recursion limit.
_MAX_DEPTH = 40
# Aliases of aliases ("billion laughs") multiply to more than memory holds.
_MAX_VALUES = 100_000
# Digits: Python takes quadratic time to read a longer number.
_MAX_DIGITS = 20
_TEXT, _INT, _MERGE = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "merge"))
_MAX_SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class YamlLocations:
    """Line and column (from 1) of every key and list item of one file."""

    name: str
    locations: dict[Key, tuple[int, int]]

    def describe(self, loc: Sequence[str | int]) -> str:
        """Return `file, line L, column C: a.b.c` for the deepest key of `loc` that is in the
        file.
        """
        key = tuple(loc)
        dotted = (
            ".".join(str(key_part)[:_MAX_SHOWN_CHARACTERS] for key_part in key) or "(top level)"
        )
        while key and key not in self.locations:
            key = key[:-1]
        if key not in self.locations:
            return f"{self.name}: {dotted}"
        line, column = self.locations[key]
        return f"{self.name}, line {line}, column {column}: {dotted}"


class _Loader(yaml.SafeLoader):
    """Plain data; integers as written today (`1:30` is a text, not 90, and `010` is ten)."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (as the base class has it)
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _INT]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """Return a decimal or hexadecimal integer."""
        text = str(self.construct_scalar(node)).replace("_", "")
        return int(text, 16 if "x" in text else 10)


_Loader.add_implicit_resolver(
    _INT, re.compile(r"[-+]?(?:0x[0-9a-fA-F_]+|[0-9][0-9_]*)$"), list("-+0123456789")
)
_Loader.add_constructor(_INT, _Loader.construct_yaml_int)


def load_yaml(text: str, name: str) -> tuple[Any, YamlLocations]:
    """Return the data of a YAML text and the places of its keys.

    Raises:
        CurateError: the text is no plain YAML of bounded size, or a mapping names a key twice.
    """
    try:
        loader = _Loader(text.removeprefix("\ufeff"))
        _check_depth(text, name)
        node = loader.get_single_node()
        locations: dict[Key, tuple[int, int]] = {}
        if node is None:
            return None, YamlLocations(name, locations)
        _check_size(node, name)
        _collect_locations(node, (), locations, name)
        return loader.construct_document(node), YamlLocations(name, locations)
    except yaml.MarkedYAMLError as error:
        position = error.problem_mark
        where = (
            f"{name}, line {position.line + 1}, column {position.column + 1}" if position else name
        )
        problem = " ".join(filter(None, (error.context, error.problem)))
        raise CurateError("the file is not valid YAML", where=where, found=problem) from None
    except yaml.YAMLError as error:
        problem = first_line(error)
        raise CurateError("the file is not valid YAML", where=name, found=problem) from None
    except (ValueError, OverflowError) as error:  # a date or number that there is not
        raise CurateError("invalid value", where=name, found=str(error)) from None


def _check_depth(text: str, name: str) -> None:
    """Refuse deep nesting while it is still a stream: what builds it would recurse."""
    level = 0
    for event in yaml.parse(text.removeprefix("\ufeff"), Loader=_Loader):
        level += isinstance(event, yaml.CollectionStartEvent)
        level -= isinstance(event, yaml.CollectionEndEvent)
        if level > _MAX_DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else 0
            raise CurateError(
                "the file is nested too deeply",
                where=f"{name}, line {line}",
                expected=f"at most {_MAX_DEPTH} levels",
            )


def _check_size(root: yaml.Node, name: str) -> None:
    """Refuse aliases that contain themselves or expand beyond bounds, before they are expanded."""
    sizes: dict[int, int | None] = {}

    def size(node: yaml.Node) -> int:
        if id(node) in sizes:
            known_size = sizes[id(node)]
            if known_size is None:
                raise CurateError(
                    "an alias contains itself",
                    where=f"{name}, line {node.start_mark.line + 1}",
                    fix="write the value out instead of the alias",
                )
            return known_size
        # Being measured: who meets this node again below it has come full circle.
        sizes[id(node)] = None
        children: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            children = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            children = node.value
        total = 1 + sum(size(child) for child in children)
        # Aliases of aliases double at each level: ten lines can expand to a billion values.
        if total > _MAX_VALUES:
            raise CurateError(
                "the file is too large when its alias values are expanded",
                where=f"{name}, line {node.start_mark.line + 1}",
                expected=f"at most {_MAX_VALUES:,} values",
            )
        sizes[id(node)] = total
        return total

    size(root)


def _collect_locations(
    node: yaml.Node, path: Key, locations: dict[Key, tuple[int, int]], name: str
) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            position = (key.start_mark.line + 1, key.start_mark.column + 1)
            where = f"{name}, line {position[0]}, column {position[1]}"
            if not isinstance(key, yaml.ScalarNode) or key.tag not in (_TEXT, _MERGE):
                shown_key = (
                    str(key.value)[:_MAX_SHOWN_CHARACTERS]
                    if isinstance(key, yaml.ScalarNode)
                    else key.id
                )
                raise CurateError(
                    "a key is not text", where=where, found=shown_key, expected="a name in quotes"
                )
            key_path = (*path, key.value)
            # YAML lets the last one win, and a setting would be lost without a word.
            if key_path in locations:
                fix = f"the first one is on line {locations[key_path][0]}"
                shown_value = key.value[:_MAX_SHOWN_CHARACTERS]
                raise CurateError("duplicate key", where=where, found=shown_value, fix=fix)
            locations[key_path] = position
            _collect_locations(value, key_path, locations, name)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            locations[(*path, index)] = (value.start_mark.line + 1, value.start_mark.column + 1)
            _collect_locations(value, (*path, index), locations, name)
    elif node.tag == _INT and len(node.value) > _MAX_DIGITS:
        where = f"{name}, line {node.start_mark.line + 1}"
        shown_value = f"{node.value[:_MAX_DIGITS]}... ({len(node.value)} digits)"
        raise CurateError(
            "a number is too large", where=where, found=shown_value, expected="at most 64 bits"
        )
