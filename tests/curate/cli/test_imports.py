"""Nothing heavy is imported before it is used: which modules each verb loads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from curate.read.formats import format_names
from curate.steps.brief import StepSummary, step_names_in, step_summary
from curate.steps.entries import FILTERS, SCORERS, builtin_entry, filter_names, scorer_names
from curate.write.exports import export_names
from tests.helpers import trl_rows, write_jsonl

HEAVY = {
    "torch", "sklearn", "pandas", "transformers", "datasets", "faiss", "sentence_transformers",
    "scipy.stats", "scipy.optimize", "plotly", "ray", "cleanlab",
    "fsspec",
}  # fmt: skip
_RUN = """
import json, sys
from curate.cli.app import app
try:
    app(json.loads(sys.argv[1]))
except SystemExit as done:
    assert not done.code, done.code
print("MODULES " + json.dumps(sorted(sys.modules)))
"""


def loaded(words: list[str], folder: Path) -> set[str]:
    """Heavy modules that a command imports, and how many it imports in all."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, json.dumps(words)],
        capture_output=True,
        text=True,
        cwd=folder,
        check=True,
    )
    line = next(text for text in done.stdout.splitlines() if text.startswith("MODULES "))
    return HEAVY & set(json.loads(line.removeprefix("MODULES ")))


@pytest.mark.parametrize(
    "words", [["--help"], ["list"], ["list", "--recipes"], ["schema", "--help"]]
)
def test_looking_imports_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    assert loaded(words, tmp_path) == set()


def test_a_run_without_learned_scorers_imports_nothing_heavy(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "ten.jsonl", trl_rows(10))
    (tmp_path / "p.yaml").write_text(
        "input: {path: ten.jsonl}\nscorers: [{type: lengths}]\nfilters: [{type: ties}]\n"
    )
    # The package of plotly holds its script for the report; none of its Python is run.
    assert loaded(["run", "p.yaml"], tmp_path) <= {"plotly"}
    assert (tmp_path / "curated" / "report.html").is_file()
    assert loaded(["inspect", "ten.jsonl"], tmp_path) == set()
    assert loaded(["export", "curated", "-o", "out"], tmp_path) == set()


def test_what_is_read_from_sources_is_what_classes_say() -> None:
    for group, names in ((SCORERS, scorer_names()), (FILTERS, filter_names())):
        for name in names:
            entry = builtin_entry(group, name)
            if entry is None:
                continue
            summary, cls = step_summary(entry), entry.load()
            fields = ("name", "purpose", "summary", "standing")
            assert summary == StepSummary(**{field: getattr(cls, field) for field in fields})
    assert step_names_in("curate.read.formats") == sorted(format_names())
    assert step_names_in("curate.write.exports") == sorted(export_names())
