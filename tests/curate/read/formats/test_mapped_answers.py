"""A mapping of rows that hold one answer each: single, scored, or judged good or bad."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curate import CurateError, Pipeline, read_pairs
from curate.cli.inputs import parse_columns
from tests.helpers import read_rows

KINDS = ("jsonl", "parquet")
ASK = {"inputs": "why?", "targets": "since", "lang": "en"}


def answers(frame: Any) -> list[tuple[str, str]]:
    rows = frame.select("chosen", "rejected").rows()
    return [(chosen[-1]["content"], rejected[-1]["content"]) for chosen, rejected in rows]


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_answer(tmp_path: Path, kind: str) -> None:
    pairs = read_rows(tmp_path, [ASK], kind, columns={"prompt": "inputs", "answer": "targets"})
    (row,) = pairs.frame.to_dicts()
    assert row["prompt"][0]["content"] == "why?"
    assert row["chosen"][0]["content"] == "since"
    assert row["rejected"] is None
    assert row["extra"] == '{"lang":"en"}'


@pytest.mark.parametrize("kind", KINDS)
def test_a_nested_answer_with_its_score(tmp_path: Path, kind: str) -> None:
    rows = [
        {"info": {"post": f"p{i // 3}"}, "summary": {"text": f"s{i}", "axes": {"overall": i % 3}}}
        for i in range(6)
    ]
    mapping = {"prompt": "info.post", "answer": "summary.text", "score": "summary.axes.overall"}
    pairs = read_rows(tmp_path, rows, kind, columns=mapping)
    assert answers(pairs.frame) == [("s2", "s0"), ("s5", "s3")]
    assert pairs.frame["strength"].to_list() == [2.0, 2.0]


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_with_a_verdict(tmp_path: Path, kind: str) -> None:
    rows = [{"q": f"p{i // 2}", "a": f"a{i}", "is_safe": i % 2 == 0} for i in range(5)]
    mapping = {"prompt": "q", "answer": "a", "label": "is_safe"}
    pairs = read_rows(tmp_path, rows, kind, columns=mapping, on_error="skip")
    assert answers(pairs.frame) == [("a0", "a1"), ("a2", "a3")]
    assert pairs.rejected["reason"].to_list() == ["no answer to this prompt has the other label"]


def test_ranks_count_from_the_best(tmp_path: Path) -> None:
    rows = [{"q": "p", "a": f"a{i}", "place": i} for i in (2, 1, 3)]
    mapping = {"prompt": "q", "answer": "a", "rank": "place"}
    assert answers(read_rows(tmp_path, rows, columns=mapping).frame) == [("a1", "a3")]


def test_scores_pair_by_the_rules_of_rankings(tmp_path: Path) -> None:
    rows = [{"q": "p", "a": f"a{i}", "s": i} for i in range(4)]
    mapping = {"prompt": "q", "answer": "a", "score": "s"}
    pairs = read_rows(tmp_path, rows, columns=mapping, ranking={"pairs": "all", "min_gap": 2})
    assert sorted(answers(pairs.frame)) == [("a2", "a0"), ("a3", "a0"), ("a3", "a1")]


def test_a_pipeline_runs_on_mapped_single_answers(tmp_path: Path) -> None:
    mapping = {"prompt": "inputs", "answer": "targets"}
    pairs = read_rows(tmp_path, [ASK], columns=mapping)
    config = {"scorers": [{"type": "lengths"}], "output": {"format": "trl"}, "store": None}
    result = Pipeline(config).run(pairs, output=tmp_path / "out")
    assert result.rows_kept == 1


@pytest.mark.parametrize(
    "mapping",
    [
        {"prompt": "q", "answer": "a", "chosen": "a", "rejected": "b"},
        {"prompt": "q", "answer": "a", "score": "s", "label": "l"},
        {"prompt": "q", "score": "s"},
        {"prompt": "q", "answer": "a", "score": "s", "rank": "s"},
        {"prompt": "q", "answer": "a", "labels": ["l"]},
    ],
)
def test_incomplete_and_ambiguous_mappings_are_refused(mapping: dict[str, Any]) -> None:
    with pytest.raises(CurateError, match="or answer, which may have a score, a rank or a label"):
        read_pairs([{"q": "x", "a": "y"}], columns=mapping)


def test_the_option_of_the_command_line() -> None:
    mapping = parse_columns("prompt=inputs,answer=targets,score=s")
    assert (mapping.prompt, mapping.answer, mapping.score) == ("inputs", "targets", "s")
