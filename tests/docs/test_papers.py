"""The table of papers: what it calls faithful is shown by a test that exists."""

from __future__ import annotations

import re
from pathlib import Path

from curate.cli.list_steps import list_of_steps

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/explanation/papers.md"


def table_rows() -> list[list[str]]:
    """Return paper, steps, what was taken, and test of each row."""
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def test_every_test_that_is_named_exists() -> None:
    tests = [name for *_, cell in table_rows() for name in re.findall(r"`([^`]+)`", cell)]
    assert len(tests) > 40
    missing = []
    for name in tests:
        path, _, function = name.partition("::")
        text = (ROOT / path).read_text("utf-8") if (ROOT / path).exists() else ""
        if not re.search(rf"^def {function}\(", text, re.MULTILINE):
            missing.append(name)
    assert not missing


def test_what_is_called_faithful_names_a_test() -> None:
    unbacked = [row[0] for row in table_rows() if row[2].startswith("faithful") and not row[3]]
    assert not unbacked
    for row in table_rows():
        assert len(row) == 4
        assert re.match(r"faithful|deviates|not taken", row[2]), row[0]
        # What is not taken has no step, and all else has one.
        assert row[2].startswith("not taken") == (not row[1]), row[0]


def test_every_paper_that_a_step_gives_stands_in_the_table() -> None:
    page = PAGE.read_text("utf-8")
    steps = list_of_steps()
    ids = {
        paper
        for step in (*steps.scorers.values(), *steps.filters.values())
        for paper in re.findall(r"arXiv (\d{4}\.\d{5})", step.reference or "")
    }
    assert len(ids) > 40
    missing = {paper for paper in ids if paper not in page}
    assert not missing
    for name in ("UPO", "BVPO", "PAL", "GPM", "Signal and Noise", "IRPO", "NBPO", "RRM"):
        assert f"| {name}" in page
