"""Filters read keys of `extra`, items of its lists, and the scores of both answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from curate import CurateError, Pipeline, read_pairs
from curate.cli.app import app
from tests.helpers import write_jsonl

COUNT = 6


def rows(**columns: Any) -> list[dict[str, Any]]:
    return [
        {"prompt": f"p{i}", "chosen": f"a{i}", "rejected": f"b{i}"}
        | {name: value(i) for name, value in columns.items()}
        for i in range(COUNT)
    ]


def kept_prompts(
    tmp_path: Path, data: list[dict[str, Any]], condition: str, **more: Any
) -> list[str]:
    pairs = read_pairs(str(write_jsonl(tmp_path / "a.jsonl", data)), **more)
    filters = [{"type": "expression", "keep": condition}]
    result = Pipeline({"filters": filters}).run(pairs)
    prompts = pl.col("prompt").list.first().struct.field("content")
    return result.kept.select(prompts).to_series().to_list()


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("`extra.scores[0]` >= 4", ["p4", "p5"]),
        ("`extra.meta.scores[1]` = -2", ["p2"]),
        ("`extra.dotted.key` < 1", ["p0"]),
    ],
)
def test_paths_into_lists_and_objects(tmp_path: Path, condition: str, expected: list[str]) -> None:
    data = rows(
        scores=lambda i: [i, 1],
        meta=lambda i: {"scores": [0, -i]},
        **{"dotted.key": lambda i: i},
    )
    assert kept_prompts(tmp_path, data, condition) == expected


@pytest.mark.parametrize(
    "names", [("score_chosen", "score_rejected"), ("chosen-rating", "rejected-rating")]
)
def test_scores_of_both_answers_by_their_columns(tmp_path: Path, names: tuple[str, str]) -> None:
    data = rows(**{names[0]: lambda i: i, names[1]: lambda i: 3})
    condition = "chosen_score >= 4 AND rejected_score <= 3"
    assert kept_prompts(tmp_path, data, condition) == ["p4", "p5"]


def test_scores_of_rankings(tmp_path: Path) -> None:
    data = [
        {"prompt": f"p{i}", "response": f"r{j}", "reward": reward}
        for i in range(COUNT)
        for j, reward in enumerate((0.1, 0.1 * i + 0.4))
    ]
    assert kept_prompts(tmp_path, data, "chosen_score > 0.75 AND rejected_score < 0.2") == [
        "p4",
        "p5",
    ]


def test_scores_of_slots_follow_the_label(tmp_path: Path) -> None:
    data = [
        {"prompt": f"p{i}", "response_a": "a", "response_b": "b", "winner": "AB"[i % 2]}
        | {"score_a": 1, "score_b": 2}
        for i in range(COUNT)
    ]
    assert kept_prompts(tmp_path, data, "chosen_score > rejected_score") == ["p1", "p3", "p5"]


@pytest.mark.parametrize(
    ("condition", "problem", "fix"),
    [
        ("`extra.qualty` > 1", "no pair has a value of extra.qualty", "extra.quality"),
        ("`extra.scores[7]` > 1", "no pair has a value of extra.scores[7]", "extra.scores"),
        ("chosen_score > 1", "no pair has a value of chosen_score", "score_chosen"),
    ],
)
def test_a_key_that_no_pair_has_is_an_error(
    tmp_path: Path, condition: str, problem: str, fix: str
) -> None:
    data = rows(quality=lambda i: i, scores=lambda i: [] if i else [1])
    with pytest.raises(CurateError) as raised:
        kept_prompts(tmp_path, data, condition)
    assert problem in str(raised.value)
    assert fix in str(raised.value)


def test_a_key_of_one_late_pair_is_enough(tmp_path: Path) -> None:
    data = [
        {"prompt": f"p{i}", "chosen": "a", "rejected": "b"} | ({"late": 1} if i == 1999 else {})
        for i in range(2000)
    ]
    assert kept_prompts(tmp_path, data, "`extra.late` = 1") == ["p1999"]


@pytest.mark.parametrize("count", [COUNT, 1500])
def test_a_dry_run_says_so(tmp_path: Path, count: int) -> None:
    data = [{"prompt": f"p{i}", "chosen": "a", "rejected": "b", "quality": i} for i in range(count)]
    path = write_jsonl(tmp_path / "a.jsonl", data)
    config = {
        "input": {"path": str(path)},
        "filters": [{"type": "expression", "keep": "`extra.qualty` > 1"}],
        "output": {"path": str(tmp_path / "out")},
    }
    (tmp_path / "pipeline.yaml").write_text(json.dumps(config))
    result = CliRunner().invoke(app, ["run", str(tmp_path / "pipeline.yaml"), "--dry-run"])
    # Other pairs than those of a dry run may have the key.
    assert result.exit_code == (0 if count > COUNT else 1)
    text = " ".join(f"{result.output} {result.exception}".split())
    assert "no pair has a value of extra.qualty" in text
    assert "extra.quality" in text
