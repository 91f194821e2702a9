"""What a mapped label means: what the user says goes before what is usual."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from curate.read.formats.columns import ColumnMapping
from tests.helpers import read_rows, turn

_SLOTS: dict[str, Any] = {"prompt": "q", "first": "a", "second": "b", "label": "w"}
_LABELS = (1, 0, 1)


def _rows(*labels: object) -> list[dict[str, Any]]:
    return [{"q": f"p {i}", "a": "x", "b": "y", "w": label} for i, label in enumerate(labels)]


@pytest.mark.parametrize("zero", [0, "0", 0.0, "0.0"])
def test_a_given_meaning_goes_before_the_usual_one(tmp_path: Path, zero: Any) -> None:
    pairs = read_rows(tmp_path, _rows(*_LABELS), columns=_SLOTS | {"second_wins": [zero]})
    assert pairs.frame["is_tie"].to_list() == [False] * 3
    assert pairs.frame["chosen"].to_list() == [turn("x"), turn("y"), turn("x")]
    assert not pairs.notes


def test_zeros_without_twos_are_told(tmp_path: Path) -> None:
    pairs = read_rows(tmp_path, _rows(*_LABELS), columns=_SLOTS)
    assert pairs.frame["is_tie"].to_list() == [False, True, False]
    (note,) = pairs.notes
    assert note.startswith("1 labels are 0, which counts as a tie, and none is 2")
    assert not read_rows(tmp_path, _rows(1, 0, 2), columns=_SLOTS).notes
    assert not read_rows(tmp_path, _rows(*_LABELS), columns=_SLOTS | {"tie": [0]}).notes


def test_one_label_has_one_meaning() -> None:
    with pytest.raises(ValidationError, match="'1' is given twice"):
        ColumnMapping.model_validate(_SLOTS | {"first_wins": [1], "second_wins": ["1.0"]})
