"""The house stands: few modules at the top, and no circle between files."""

from __future__ import annotations

from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
TOP = {"__init__.py", "__main__.py", "errors.py", "versions.py", "optional_packages.py"}


def test_only_what_all_rooms_need_lies_at_the_top() -> None:
    assert {p.name for p in (ROOT / "curate").glob("*.py")} == TOP


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("curate", "scorers", "filters", cache_dir=None)


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
