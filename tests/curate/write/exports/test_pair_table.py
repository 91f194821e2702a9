"""The table of docs/reference/trainers/loaders.md is what the trainers' own loaders read."""

from __future__ import annotations

import pytest

from tests.trainer_table import LOADERS, PAGE, cells, line


@pytest.mark.slow
@pytest.mark.parametrize("form", LOADERS)
def test_the_table_is_what_the_loaders_read(form: str) -> None:
    assert line(form, cells(form)) in PAGE.read_text(encoding="utf-8").splitlines()
