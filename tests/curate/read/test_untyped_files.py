"""Files without types (CSV), and columns whose type one odd cell has changed."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from curate import Pairs, read_pairs
from tests.curate.read.public_rows import FORMS, Rows
from tests.helpers import read_rows, turn

_ROWS = 20
# Texts do not show which answers are lists: curate notes answers that look like lists.
_READ = [form for form in FORMS if form != "answer lists"]


def write_csv(path: Path, rows: Rows) -> Path:
    """Rows as pandas and others write them: what is nested as JSON text, nulls as nothing."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for row in rows:
            writer.writerow([_cell(row.get(name)) for name in names])
    return path


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return "" if value is None else value
    return json.dumps(value)


def _read(path: Path, rows: Rows, **more: Any) -> Pairs:
    return read_pairs(str(write_csv(path, rows)), on_error="skip", **more)


def _turns(pairs: Pairs) -> list[tuple[Any, ...]]:
    return pairs.frame.select("prompt", "chosen", "rejected", "is_tie").rows()


@pytest.mark.parametrize("form", _READ)
def test_a_file_without_types_reads_as_the_same_pairs(tmp_path: Path, form: str) -> None:
    rows = [row for i in range(_ROWS) for row in FORMS[form](i)]
    typed = read_rows(tmp_path, rows)
    pairs = _read(tmp_path / "a.csv", rows)
    assert pairs.format == typed.format
    assert _turns(pairs) == _turns(typed)


@pytest.mark.parametrize("odd", ["[]", "plain", '[{"role": "user"}]', '{"a": 1}'])
@pytest.mark.parametrize("form", ["trl messages", "trl implicit", "swift", "openai"])
def test_one_odd_cell_leaves_the_other_conversations_messages(
    tmp_path: Path, form: str, odd: str
) -> None:
    rows = [row for i in range(_ROWS) for row in FORMS[form](i)]
    expected = _turns(_read(tmp_path / "a.csv", rows))
    name = next(iter(rows[0]))
    pairs = _read(tmp_path / "b.csv", [*rows[:7], rows[7] | {name: odd}, *rows[8:]])
    turns = _turns(pairs)
    assert [t for i, t in enumerate(expected) if i != 7] == [t for t in turns if t in expected]
    assert len(pairs.rejected) == 1 or len(turns) == _ROWS
    assert pairs.rejected["row"].to_list() in ([], [8])


def test_messages_among_texts_are_told(tmp_path: Path) -> None:
    rows = FORMS["trl"](0) * 3 + [FORMS["trl"](1)[0] | {"prompt": json.dumps(turn("a", "user"))}]
    (note,) = (n for n in _read(tmp_path / "a.csv", rows).notes if "written as JSON" in n)
    assert note.startswith("in 1 of 4 pairs a text is messages")


@pytest.mark.parametrize(
    ("form", "name", "label"),
    [
        ("shp", "labels", 1),
        ("pku", "better_response_id", 0),
        ("summarize", "choice", 0),
    ],
)
def test_a_label_between_two_answers_names_neither(
    tmp_path: Path, form: str, name: str, label: int
) -> None:
    (row,) = FORMS[form](0)
    rows = [row | {name: value} for value in (float(label), label + 0.5, label - 0.5)]
    for kind in ("jsonl", "parquet"):
        pairs = read_rows(tmp_path, rows, kind, on_error="skip")
        assert pairs.frame["chosen"].to_list() == [turn("Yes 0.")]
        assert pairs.rejected["row"].to_list() == [2, 3]
        assert pairs.rejected["reason"].str.contains("names neither answer").all()
    texts = [row | {name: text} for text in (f"{label}.0", f"{label}")]
    assert _read(tmp_path / "a.csv", texts).frame["chosen"].to_list() == [turn("Yes 0.")] * 2


@pytest.mark.parametrize("yes", [1, 1.0, True, "1", "1.0", "True"])
def test_flags_of_an_arena(tmp_path: Path, yes: Any) -> None:
    (row,) = FORMS["arena 55k"](0)
    no = type(yes)(0) if not isinstance(yes, str) else {"True": "False"}.get(yes, "0")
    flags = ("winner_model_a", "winner_model_b", "winner_tie")
    rows = [row | dict(zip(flags, f, strict=True)) for f in ((yes, no, no), (no, yes, no))]
    twice = [row | dict(zip(flags, (yes, yes, no), strict=True))]
    pairs = read_rows(tmp_path, rows + twice, on_error="skip")
    assert pairs.frame["chosen"].to_list() == [turn("Yes 0."), turn("No 0.")]
    assert pairs.rejected["row"].to_list() == [3]


@pytest.mark.parametrize("wins", [1, 1.0, "1", "1.0"])
def test_a_mapped_label_may_be_whole_or_written_as_a_float(tmp_path: Path, wins: Any) -> None:
    mapping = {"prompt": "q", "first": "a", "second": "b", "label": "w"}
    rows = [{"q": "p", "a": "x", "b": "y", "w": w} for w in (1, 0, None)]
    columns = mapping | {"first_wins": [wins], "second_wins": [0]}
    for kind in ("jsonl", "parquet"):
        pairs = read_rows(tmp_path, rows, kind, columns=columns, on_error="skip")
        assert pairs.frame["chosen"].to_list() == [turn("x"), turn("y")]


@pytest.mark.parametrize("form", ["kto", "kto messages"])
def test_kto_rows_in_several_blocks(tmp_path: Path, form: str) -> None:
    rows = [row for i in range(3000) for row in FORMS["kto"](i)]
    if form == "kto messages":
        rows = [
            {
                "messages": turn(row["prompt"], "user") + turn(row["completion"]),
                "label": row["label"],
            }
            for row in rows
        ]
    # The last ones are texts where the others are messages, in a block of their own.
    odd = {"messages": "plain", "label": True}
    more = [odd] * 2 if form == "kto messages" else []
    pairs = _read(tmp_path / "a.csv", rows + more)
    assert len(pairs) == 3000
    assert len(pairs.rejected) == len(more)
