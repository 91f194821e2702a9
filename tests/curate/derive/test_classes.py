"""Preferences between texts of one class, by a judge and in a classifier's form."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from curate import Context, CurateError, read_pairs
from curate.cli.app import app
from curate.derive.classes import ONLY_TEXT_OF_CLASS, UNDECIDED, class_pairs, labelled_texts
from curate.models.judge.endpoint import EndpointParams
from curate.models.judge.verdicts import UNREADABLE
from curate.read.input import InputConfig
from curate.read.raw_rows import PublishedRows
from curate.write.export import ExportTarget, export_pairs
from tests.helpers import trl_rows, write_jsonl
from tests.stub_endpoint import stub_endpoint

ROWS = [{"text": f"{'very ' * i}good film", "label": "pos"} for i in range(5)]
ROWS += [{"text": f"{'very ' * i}bad film", "label": "neg"} for i in range(4)]


def longer(body: dict[str, Any]) -> str:
    """A judge that takes the longer text, whichever comes first."""
    question = body["messages"][0]["content"]
    a, b = (re.split(rf"</?text_{n}_\w+>", question)[1].strip() for n in "AB")
    return f"[[{'A' if len(a) > len(b) else 'B'}]]"


def ask_for_pairs(
    folder: Path, rows: list[dict[str, Any]], judge: Any
) -> tuple[pl.DataFrame, Counter[str]]:
    left_out: Counter[str] = Counter()
    place = InputConfig(path=str(write_jsonl(folder / "texts.jsonl", rows)))
    with stub_endpoint(judge) as stub:
        params = EndpointParams(model="m", base_url=stub.url)
        return class_pairs(
            labelled_texts(PublishedRows(place), left_out), Context(), params, left_out
        ), left_out


def test_the_clearer_text_is_preferred_within_its_class(tmp_path: Path) -> None:
    pairs, left_out = ask_for_pairs(tmp_path, ROWS, longer)
    assert len(pairs) == 4 + 3
    assert not left_out
    for row in pairs.iter_rows(named=True):
        chosen, rejected = (row[side][0]["content"] for side in ("chosen", "rejected"))
        assert len(chosen) > len(rejected)
        label = json.loads(row["extra"])["class"]
        assert {"good" in chosen, "good" in rejected} == {label == "pos"}


@pytest.mark.parametrize(
    ("reply", "reason"), [("[[A]]", UNDECIDED), ("[[C]]", UNDECIDED), ("well", UNREADABLE)]
)
def test_a_judge_without_an_opinion_makes_no_pair(tmp_path: Path, reply: str, reason: str) -> None:
    pairs, left_out = ask_for_pairs(tmp_path, ROWS, lambda _: reply)
    assert len(pairs) == 0
    assert left_out == {reason: 7}


def test_rows_without_a_partner_are_counted(tmp_path: Path) -> None:
    rows = [*ROWS, {"text": "alone", "label": "other"}, {"text": None, "label": "pos"}]
    pairs, left_out = ask_for_pairs(tmp_path, [*rows, ROWS[0]], longer)
    assert len(pairs) == 7
    assert left_out == {ONLY_TEXT_OF_CLASS: 1, "row: no text, or no class": 1}
    other_rows = InputConfig(path=str(write_jsonl(tmp_path / "p.jsonl", trl_rows(1))))
    with pytest.raises(CurateError, match="no text with a class"):
        labelled_texts(PublishedRows(other_rows), left_out)


def test_the_command_and_the_classifiers_form(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "texts.jsonl", ROWS)
    with stub_endpoint(longer) as stub:
        done = CliRunner().invoke(
            app,
            ["derive", str(source), "--from", "classes", "-o", str(tmp_path / "made"),
             "--judge-model", "m", "--url", stub.url],
        )  # fmt: skip
    assert done.exit_code == 0, done.output
    pairs = read_pairs(str(tmp_path / "made" / "pairs"))
    assert len(pairs) == 7
    export_pairs(str(tmp_path / "made" / "pairs"), tmp_path / "out", ExportTarget("classification"))
    rows = pl.read_parquet(tmp_path / "out" / "kept")
    assert set(rows["text"]) == {row["text"] for row in ROWS}
    labels = dict(zip(rows["text"], rows["label"], strict=True))
    assert labels == {r["text"]: r["label"] for r in ROWS}
    best = rows.filter(text=f"{'very ' * 4}good film")["weight"][0]
    worst = rows.filter(text="good film")["weight"][0]
    assert best > 1 > worst


def test_without_a_judge_or_a_class_there_is_an_error(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "texts.jsonl", ROWS)
    done = CliRunner().invoke(
        app, ["derive", str(source), "--from", "classes", "-o", str(tmp_path / "made")]
    )
    assert isinstance(done.exception, CurateError)
    plain = write_jsonl(tmp_path / "plain.jsonl", trl_rows(3))
    with pytest.raises(CurateError, match="pairs of texts of one class"):
        export_pairs(str(plain), tmp_path / "out", ExportTarget("classification"))


def test_extractive_pairs_go_to_the_same_form(tmp_path: Path) -> None:
    rows = [
        {"text": "great", "label": 'p"os', "annotations": ['p"os'] * 3},
        {"text": "fine", "label": 'p"os', "annotations": ['p"os', 'p"os', "neg"]},
    ]
    source = write_jsonl(tmp_path / "a.jsonl", rows)
    place = InputConfig(path=str(source), format="annotations")
    export_pairs(place, tmp_path / "out", ExportTarget("classification", "jsonl"))
    lines = (tmp_path / "out" / "kept" / "part-00000.jsonl").read_text().splitlines()
    result = {row["text"]: row for row in map(json.loads, lines)}
    assert result["great"] == {"text": "great", "label": 'p"os', "weight": pytest.approx(4 / 3)}
    assert result["fine"]["weight"] == pytest.approx(2 / 3)
