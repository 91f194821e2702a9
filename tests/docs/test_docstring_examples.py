"""Runs the examples (`>>>`) in docstrings: of the public names, of steps and of helpers."""

from __future__ import annotations

import ast
import doctest
import importlib
from pathlib import Path
from types import ModuleType

import pytest

import curate
from curate import scoring
from curate.steps.entries import filter_names, scorer_names
from curate.steps.registry import filter_class, scorer_class
from tests.models import tiny_causal

ROOT = Path(__file__).parents[2]
FOLDERS = ("curate", "scorers", "filters")
# Values, which have no docstring of their own.
CONSTANTS = {"HIGHER", "LOWER", "Direction", "Prefer", "STATUS", "MODEL_STATUS", "Model"}
# They train models on many folds.
SLOW_MODULES = {"curate.auditing.audit", "curate.benchmark.bench"}
# They run a language model of the working folder, `model`.
MODULES_WITH_MODEL = {"curate.models.lm.answer_logprobs"}
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules_with_examples() -> list[str]:
    paths = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    modules = [path for path in paths if ">>> " in path.read_text(encoding="utf-8")]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in modules]
    return [name.removesuffix(".__init__") for name in names]


def run_examples(module: ModuleType) -> list[str]:
    """Return the reports of the examples of a module that fail."""
    reports: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=OPTIONS)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module):
        runner.run(test, out=reports.append)
    return reports


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW_MODULES else [])
        for name in modules_with_examples()
    ],
)
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    if name in MODULES_WITH_MODEL:
        tiny_causal(tmp_path / "model")
    assert run_examples(importlib.import_module(name)) == []


def test_a_wrong_example_is_reported() -> None:
    module = ModuleType("wrong")
    module.__doc__ = ">>> 1 + 1\n3\n"
    assert "Expected:\n    3" in "".join(run_examples(module))


@pytest.mark.parametrize("name", sorted(set(curate.__all__) - CONSTANTS))
def test_a_public_name_has_an_example(name: str) -> None:
    assert ">>> " in (getattr(curate, name).__doc__ or ""), name


@pytest.mark.parametrize("name", sorted(set(scoring.__all__) - CONSTANTS))
def test_a_name_for_writers_of_scorers_has_an_example(name: str) -> None:
    assert ">>> " in (getattr(scoring, name).__doc__ or ""), name


def has_example(module_name: str) -> bool:
    source = Path(importlib.import_module(module_name).__file__ or "")
    tree = ast.parse(source.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    nodes = [node for node in ast.walk(tree) if isinstance(node, documented)]
    return any(">>> " in (ast.get_docstring(node) or "") for node in nodes)


# Steps without an example yet; only ever smaller.
STEPS_WITHOUT_EXAMPLE = 0


def test_steps_have_an_example() -> None:
    classes = [scorer_class(name) for name in scorer_names()]
    classes += [filter_class(name) for name in filter_names()]  # type: ignore[arg-type]
    missing = sorted(cls.name for cls in classes if not has_example(cls.__module__))
    assert len(missing) <= STEPS_WITHOUT_EXAMPLE, missing
