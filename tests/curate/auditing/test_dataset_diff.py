"""What changed between two versions of a dataset, whatever ids and orders say."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from curate import CurateError, Pipeline, read_pairs
from curate.auditing.dataset_diff import DiffOptions, diff_datasets
from curate.cli.app import app
from curate.read.pairs import Pairs
from tests.helpers import write_jsonl

Row = dict[str, str]


def row(number: int, chosen: str = "yes", rejected: str = "no", **more: str) -> Row:
    return {"prompt": f"Question {number}?", "chosen": chosen, "rejected": rejected, **more}


def pairs_of_rows(rows: list[Row]) -> Pairs:
    return read_pairs(rows)


def test_pairs_that_are_added_gone_and_relabelled_are_told_apart() -> None:
    old = [row(n) for n in range(10)]
    new = [row(n, "no", "yes") if n < 3 else row(n) for n in reversed(range(8))]
    result = diff_datasets(pairs_of_rows(old), pairs_of_rows([*new, row(20), row(21)]))
    counts = (result.unchanged, result.relabelled, result.added, result.removed)
    assert counts == (5, 3, 2, 2)
    assert {name: len(ids) for name, ids in result.examples.items()} == {
        "relabelled": 3,
        "added": 2,
        "removed": 2,
    }


def test_votes_count_by_their_majority() -> None:
    votes = [row(0, annotator=name) for name in ("ann", "bob")]
    other = row(0, "no", "yes", annotator="eve")
    result = diff_datasets(pairs_of_rows(votes), pairs_of_rows([*votes, other]))
    assert (result.unchanged, result.relabelled) == (1, 0)
    tied = diff_datasets(pairs_of_rows(votes), pairs_of_rows([votes[0], other]))
    assert (tied.unchanged, tied.relabelled) == (0, 1)


def test_both_versions_are_summarised() -> None:
    old = pairs_of_rows([row(n, "a longer answer") for n in range(4)])
    new = pairs_of_rows([row(0, "I'm sorry, but I can't help."), row(1)])
    new.frame = new.frame.with_columns(source=pl.Series(["forum", "shop"]))
    result = diff_datasets(old, new, DiffOptions(against=pairs_of_rows([row(1)])))
    assert result.old.chosen_is_longer == 1.0
    assert result.old.refusals == {"chosen": 0.0, "rejected": 0.0, "both": 0.0}
    assert result.new.refusals == {"chosen": 0.5, "rejected": 0.0, "both": 0.0}
    assert result.new.sources == {"forum": 1, "shop": 1}
    assert result.new.characters["chosen"] > result.new.characters["rejected"]
    assert result.new.leakage is not None
    assert result.new.leakage.shared_prompts == 1
    assert result.new.noise is None


def test_noise_is_estimated_where_it_is_asked_for() -> None:
    old = pairs_of_rows([row(n, f"good {n}", f"bad {n}") for n in range(60)])
    result = diff_datasets(old, old, DiffOptions(noise=True))
    assert result.old.noise == result.new.noise
    assert result.old.to_json().keys() >= {"pairs", "refusals"}


def test_an_empty_version_and_single_answers() -> None:
    old = pairs_of_rows([row(0)])
    result = diff_datasets(old, old.cleared())
    assert (result.removed, result.new.pairs, result.new.refusals) == (1, 0, {})
    no_answer = pl.lit(None, old.frame.schema["rejected"])
    texts = Pairs(old.frame.with_columns(rejected=no_answer))
    with pytest.raises(CurateError, match="single answers"):
        diff_datasets(old, texts)


def test_the_command_compares_files_and_the_kept_pairs_of_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [row(n, "yes" * (n + 1)) for n in range(8)]
    write_jsonl(tmp_path / "old.jsonl", rows)
    filters = [{"type": "quantile", "column": "lengths.chosen", "keep": 0.5}]
    Pipeline({"scorers": [{"type": "lengths"}], "filters": filters}).run(rows, output="run")
    result = CliRunner().invoke(app, ["diff", "old.jsonl", "run"], catch_exceptions=False)
    assert "4 unchanged, 0 relabelled, 0 added, 4 removed" in result.output
    (tmp_path / "test.txt").write_text("Question 0?\nQuestion 7?\n")
    words = ["diff", "old.jsonl", "run", "--json", "--against", "test.txt"]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    report = json.loads(result.stdout)
    assert report["removed"] == 4
    assert report["old"]["leakage"]["shared_prompts"] == 2
