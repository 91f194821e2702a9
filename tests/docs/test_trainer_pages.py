"""Rows and configs on the trainer pages are those that the exports write."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainer_rows import PAGES, filled

TRAINER_PAGES = [path for path in sorted(PAGES.glob("*.md")) if path.stem != "index"]


@pytest.mark.parametrize("page", TRAINER_PAGES, ids=lambda page: page.stem)
def test_a_page_shows_what_is_written(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert filled(text) == text, "run: python -m tests.trainer_rows"
    # Images have no form in JSON.
    assert "<!-- row: " in text or page.stem == "diffusers"
    assert "## Train" in text
