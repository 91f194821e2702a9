"""Each line of the threat model names a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_NAMED = re.compile(r"`((?:tests/)?[\w/]*test_\w+\.py)(?:::(test_\w+))?`")


def test_every_test_that_the_page_names_is_there() -> None:
    page = (ROOT / "docs" / "explanation" / "security.md").read_text()
    named = _NAMED.findall(page)
    assert len(named) > 20
    for file, test in named:
        path = ROOT / (file if file.startswith("tests/") else f"tests/robustness/{file}")
        assert path.is_file(), file
        assert not test or f"def {test}(" in path.read_text(), f"{file}::{test}"


def test_every_line_of_the_threat_model_names_a_test() -> None:
    page = (ROOT / "docs" / "explanation" / "security.md").read_text()
    model = page.partition("## Groups tried")[0]
    lines = [line for line in model.splitlines() if line.startswith("| ")][1:]
    assert len(lines) > 15
    assert all(_NAMED.search(line) for line in lines)
