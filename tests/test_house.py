"""The rules of the code base: what lies where, what names may say, how long functions are."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from pathlib import Path

import grimp
import pytest

import curate

ROOT = Path(__file__).parents[1]
TOP = {
    "__init__.py",
    "__main__.py",
    "errors.py",
    "versions.py",
    "option_names.py",
    "optional_packages.py",
}


def test_only_what_all_rooms_need_lies_at_the_top() -> None:
    assert {p.name for p in (ROOT / "curate").glob("*.py")} == TOP


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("curate", cache_dir=None)


def test_no_file_imports_itself_by_a_detour(graph: grimp.ImportGraph) -> None:
    circles = [
        (module, other)
        for module in graph.modules
        for other in graph.find_modules_directly_imported_by(module)
        if module < other and graph.find_shortest_chain(other, module) is not None
    ]
    # The public face names its parts for type checkers alone.
    assert [c for c in circles if "curate" not in c] == []


def test_every_room_says_what_it_is() -> None:
    for folder in (p for p in (ROOT / "curate").iterdir() if p.is_dir()):
        inside = folder / "__init__.py"
        if inside.is_file():
            assert inside.read_text(encoding="utf-8").startswith('"""'), folder


# --- names -------------------------------------------------------------------------------------

# A participle, an adjective or an adverb alone says nothing of what a name holds.
BANNED_NAMES = {
    *("told", "made", "held", "given", "found", "gone", "left", "own", "taken", "kept"),
    *("wanted", "sent", "cast", "known", "seen", "asked", "shown", "drawn", "judged", "said"),
    *("whole", "room", "rooms", "others", "rest", "ways", "alike", "here", "elsewhere"),
}
CODE_FOLDERS = ("curate", "scorers", "filters", "tests")
LONG_FUNCTION = 40  # lines: what a screen shows


def python_files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@cache
def syntax_tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def bound_name(node: ast.AST) -> str | None:
    """Return the name that a node binds: a definition, a parameter, a variable or an attribute."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return node.name
        case ast.arg():
            return node.arg
        case ast.Name(ctx=ast.Store()):
            return node.id
        case ast.Attribute(ctx=ast.Store()):
            return node.attr
    return None


def banned_names(tree: ast.AST) -> list[str]:
    bound = [(bound_name(node), node) for node in ast.walk(tree)]
    return [
        f"{getattr(node, 'lineno', 0)}: {name}"
        for name, node in bound
        if name is not None and name.strip("_") in BANNED_NAMES
    ]


# The limits only ever go down. Three names of curate stay, since users see them: `found` of
# CurateError (parameter and attribute) is the line `found:` that every error message shows, and
# `Result.kept` is a public name: the pairs that passed the filters.
ALLOWED_BANNED_NAMES = {"curate": 3, "scorers": 0, "filters": 0, "tests": 0}


@pytest.mark.parametrize("folder", CODE_FOLDERS)
def test_names_say_what_they_hold(folder: str) -> None:
    banned = [
        f"{path.relative_to(ROOT)}:{name}"
        for path in python_files(folder)
        for name in banned_names(syntax_tree(path))
    ]
    assert len(banned) <= ALLOWED_BANNED_NAMES[folder], banned


def test_a_banned_name_is_seen_wherever_it_is_bound() -> None:
    source = "def told(own):\n    found = own\n    self.kept = [x for given in found]\n"
    names = [entry.split(": ")[1] for entry in banned_names(ast.parse(source))]
    assert sorted(names) == ["found", "given", "kept", "own", "told"]


def test_a_class_name_is_used_once() -> None:
    names = Counter(
        node.name
        for folder in ("curate", "scorers", "filters")
        for path in python_files(folder)
        for node in ast.walk(syntax_tree(path))
        if isinstance(node, ast.ClassDef)
    )
    # A format and an export of the same trainer differ by their suffix, so none is excepted.
    assert not {name for name, count in names.items() if count > 1}


def function_length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function; of the public face without its docstring, which names each option."""
    lines = (node.end_lineno or 0) - node.lineno + 1
    docstring = ast.get_docstring(node, clean=False) if node.name in curate.__all__ else None
    return lines - (docstring.count("\n") + 1 if docstring else 0)


def test_functions_are_short() -> None:
    lengths = {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}": function_length(node)
        for folder in ("curate", "scorers", "filters")
        for path in python_files(folder)
        for node in ast.walk(syntax_tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert not {name: n for name, n in lengths.items() if n > LONG_FUNCTION}


# --- complexity --------------------------------------------------------------------------------

MOST_DECISIONS = 15
# Functions with more, by their decisions; the list only ever shrinks.
ALLOWED_DECISIONS: dict[str, int] = {}


def decisions(function: ast.AST) -> int:
    """Count branches, loops, comprehensions with their conditions, and boolean operators.

    ruff counts neither of the last two, which a reader has to follow as well.
    """
    count = 1
    for node in ast.walk(function):
        match node:
            case ast.If() | ast.For() | ast.AsyncFor() | ast.While() | ast.ExceptHandler():
                count += 1
            case ast.IfExp() | ast.Assert() | ast.match_case():
                count += 1
            case ast.comprehension():
                count += 1 + len(node.ifs)
            case ast.BoolOp():
                count += len(node.values) - 1
    return count


def test_functions_decide_little() -> None:
    counts = {
        f"{path.relative_to(ROOT)} {node.name}": decisions(node)
        for folder in ("curate", "scorers", "filters")
        for path in python_files(folder)
        for node in ast.walk(syntax_tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    complex_functions = {name: n for name, n in counts.items() if n > MOST_DECISIONS}
    assert complex_functions == ALLOWED_DECISIONS


def test_comprehensions_and_boolean_operators_are_decisions() -> None:
    source = "def f(a):\n    return [x for x in a if x and x > 1 or not x] if a else None\n"
    assert decisions(ast.parse(source)) == 6


# Names that came with Python 3.12 or later; the package supports 3.11.
LATER_NAMES = {
    "calendar": {"Day", "Month"},
    "collections.abc": {"Buffer"},
    "copy": {"replace"},
    "itertools": {"batched"},
    "typing": {
        *("override", "TypeAliasType", "get_protocol_members", "is_protocol"),
        *("NoDefault", "ReadOnly", "TypeIs", "evaluate_forward_ref"),
    },
    "warnings": {"deprecated"},
}
LATER_MODULES = {"annotationlib", "compression.zstd", "concurrent.interpreters"}


def later_imports(tree: ast.Module) -> list[str]:
    """Return the imports that Python 3.11 does not have."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = [f"{node.module}.{a.name}" for node in nodes for a in node.names]
    modules = [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
    later = {f"{module}.{name}" for module, names in LATER_NAMES.items() for name in names}
    modules += [node.module or "" for node in nodes]
    return [name for name in (*names, *modules) if name in later | LATER_MODULES]


@pytest.mark.parametrize("folder", ["curate", "scorers", "filters"])
def test_nothing_newer_than_the_oldest_python_is_imported(folder: str) -> None:
    later = {
        str(path.relative_to(ROOT)): names
        for path in python_files(folder)
        if (names := later_imports(syntax_tree(path)))
    }
    assert later == {}


def test_a_later_name_is_seen() -> None:
    source = "import annotationlib\nfrom typing import Any, Self, override\n"
    assert sorted(later_imports(ast.parse(source))) == ["annotationlib", "typing.override"]
