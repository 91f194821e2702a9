"""What `import curate` offers, and that type checkers see the same."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.completer import IPCompleter

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
    for name in curate.__all__:
        getattr(curate, name)


def test_dir_has_the_public_names_alone() -> None:
    assert [name for name in dir(curate) if not name.startswith("__")] == sorted(curate.__all__)
    assert curate.__version__ == importlib.metadata.version("curate-preferences")


@pytest.mark.parametrize("use_jedi", [True, False])
def test_completion_offers_the_public_names(use_jedi: bool) -> None:
    completer = IPCompleter(namespace={"curate": curate}, use_jedi=use_jedi)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the interface is provisional
        texts = [match.text.lstrip(".") for match in completer.completions("curate.", 7)]
    assert set(texts) == set(curate.__all__)


def test_help_has_a_line_for_each_public_name() -> None:
    lines = (curate.__doc__ or "").splitlines()
    listed = [line.split()[0] for line in lines if re.match(r"    \w+ {2,}\w", line)]
    assert sorted(listed) == sorted(curate.__all__)


def annotated_functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield the public functions, and public methods and constructors of public classes."""
    for name in curate.__all__:
        path = Path(importlib.import_module(curate._HOMES[name]).__file__ or "")
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name == name:
                yield name, node
            elif isinstance(node, ast.ClassDef) and node.name == name:
                for method in node.body:
                    if isinstance(method, ast.FunctionDef) and not method.name.startswith("__r"):
                        yield f"{name}.{method.name}", method


def test_no_argument_is_of_any_type() -> None:
    untyped = [
        f"{place}: {ast.unparse(annotation)}"
        for place, function in annotated_functions()
        for annotation in [
            *(a.annotation for a in [*function.args.args, *function.args.kwonlyargs]),
            function.returns,
        ]
        if annotation is not None and re.search(r"\bAny\b", ast.unparse(annotation))
    ]
    assert untyped == []


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
