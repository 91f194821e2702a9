from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from curate import CurateError, Pairs, Pipeline
from curate.cli.app import app
from curate.report.compare import DropDifference, FateCounts, compare_runs
from tests.helpers import numbered_pairs, pairs_of


def run(folder: Path, filters: list[dict[str, object]], count: int = 10) -> Path:
    config = {"scorers": [{"type": "lengths"}], "filters": filters, "store": None}
    rows = [{"prompt": f"p{i}", "chosen": "x" * (i + 1), "rejected": "y"} for i in range(count)]
    config["output"] = {"report": False}
    Pipeline(config).run(Pairs(pairs_of(rows)), output=folder)
    return folder


def between(low: int, high: int) -> list[dict[str, object]]:
    return [{"type": "threshold", "column": "lengths.chosen", "min": low, "max": high}]


def test_counts_overlap_and_reasons(tmp_path: Path) -> None:
    comparison = compare_runs(
        run(tmp_path / "a", between(1, 6)), run(tmp_path / "b", between(4, 8))
    )
    assert comparison.counts == FateCounts(3, 3, 2, 2, 0, 0, 0)
    assert comparison.jaccard == 3 / 8
    assert comparison.reasons == [
        DropDifference("B", "threshold", 3),
        DropDifference("A", "threshold", 2),
    ]
    assert len(comparison.different) == 5


def test_flipped_labels_are_counted(tmp_path: Path) -> None:
    flip = [{"type": "flip_where", "condition": "`lengths.chosen` > 8"}]
    comparison = compare_runs(run(tmp_path / "a", []), run(tmp_path / "b", flip))
    assert comparison.counts.relabelled == 2
    assert comparison.counts.both == 10


def test_runs_on_other_data(tmp_path: Path) -> None:
    a = run(tmp_path / "a", [])
    comparison = compare_runs(a, run(tmp_path / "more", [], count=12))
    assert comparison.counts.read_by_b_alone == 2
    Pipeline({"store": None}).run(Pairs(numbered_pairs(3)), output=tmp_path / "other")
    with pytest.raises(CurateError, match="no pairs in common"):
        compare_runs(a, tmp_path / "other")


def test_command(tmp_path: Path) -> None:
    a, b = run(tmp_path / "a", between(1, 6)), run(tmp_path / "b", between(4, 8))
    page = tmp_path / "c.html"
    done = CliRunner().invoke(app, ["compare", str(a), str(b), "-o", str(page)])
    assert done.exit_code == 0, done.output
    assert "overlap of kept pairs 37.5%" in done.output
    assert "kept only by A" in page.read_text()
