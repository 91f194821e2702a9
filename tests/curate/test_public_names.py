"""What `import curate` offers, and that type checkers see the same."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import curate

USER_SCRIPT = """
import curate

pairs = curate.read_pairs("data.jsonl")
audit = curate.audit(pairs, seed=1, disagreement=True)
share: float | None = None if audit.estimate is None else audit.estimate.rate
sentences: list[str] = curate.bench(pairs, noise=(0.2,)).advice[0].sentences
names: list[str] = curate.score(pairs, "lengths").frame.columns
curate.audit(pairs, sed=1)
curate.bench(pairs, seeds="two")
"""


def test_imports_for_type_checkers_are_the_table() -> None:
    """`_HOMES` gives the names at run time; the imports under TYPE_CHECKING give their types."""
    tree = ast.parse(Path(curate.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {
        alias.asname: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == curate._HOMES
    assert set(curate.__all__) <= set(dir(curate))
    for name in curate.__all__:
        getattr(curate, name)


def test_functions_stay_functions_when_their_packages_are_imported() -> None:
    import curate.auditing.command
    import curate.benchmark.run

    assert curate.audit.__name__ == "audit"
    assert curate.bench.__name__ == "bench"


@pytest.mark.slow
def test_a_strict_type_checker_accepts_calls_from_a_script(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(USER_SCRIPT, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "script.py"]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    errors = [line for line in checked.stdout.splitlines() if ": error: " in line]
    assert [line.split(":")[1] for line in errors] == ["9", "10"], checked.stdout + checked.stderr
