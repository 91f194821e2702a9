"""Runs on single answers: the same scores as on pairs, and refusals by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from curate import CurateError, Pipeline, audit, bench, read_pairs, score
from curate.cli.app import app
from curate.data.table import messages_text
from curate.sample import SAMPLE_DATA
from curate.steps.entries import scorer_names
from curate.steps.registry import scorer_class

ROWS = 60
# By the texts of one row, or by prompts: what they say of the chosen answer needs no other one.
SAME_AS_PAIRS = (
    *("lengths", "language", "pii", "repetition", "refusal", "markdown", "trace", "relevance"),
    *("knn_diversity", "semantic_duplicates", "multi_instruction", "abstains", "citations"),
    "tool_calls",
)


@pytest.fixture(scope="module")
def pairs() -> list[dict[str, str]]:
    frame = read_pairs(str(SAMPLE_DATA), limit=ROWS).frame
    texts = {c: messages_text(c) for c in ("prompt", "chosen", "rejected")}
    return frame.select(**texts).to_dicts()


@pytest.fixture(scope="module")
def answers(pairs: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{"prompt": row["prompt"], "completion": row["chosen"]} for row in pairs]


@pytest.mark.parametrize("name", SAME_AS_PAIRS)
def test_scores_of_answers_are_those_of_the_chosen_answers(
    name: str, pairs: list[dict[str, str]], answers: list[dict[str, str]]
) -> None:
    settings = {"embedder": "static", "store": None}
    of_pairs, of_answers = (score(rows, name, **settings).frame for rows in (pairs, answers))
    columns = [f"{name}.{column}" for column in scorer_class(name).single_answer_columns]
    # `of` names a pair by its id, which another answer changes; a status may be of either answer.
    same = [c for c in columns if c not in ("semantic_duplicates.of", "tool_calls.status")]
    assert of_answers.select(same).equals(of_pairs.select(same))
    pair_columns = [c for c in of_answers.columns if c not in ("pair_id", *columns)]
    assert all(of_answers[c].null_count() == ROWS for c in pair_columns)
    assert any(of_answers[c].null_count() < ROWS for c in same)


def test_each_declared_column_is_one_of_the_scorers() -> None:
    for name in scorer_names():
        cls = scorer_class(name)
        if cls.single_answer_columns:
            required = {"coverage": {"targets": ["a.txt"]}, "contamination": {"against": ["a.txt"]}}
            models = {"ifd": "model", "text_classifier": "model", "donod_lm": "policy"}
            parameters: dict[str, Any] = required.get(name, {})
            if name in models:
                parameters = {models[name]: "org/model"}
            if name == "text_classifier":
                parameters["label"] = "toxic"
            if name == "reward_model":
                parameters = {"models": ["org/model"]}
            if name in ("ins_tag", "judge"):
                parameters = {"model": "m"}
            columns = {column.name for column in cls(**parameters).columns()}
            assert set(cls.single_answer_columns) <= columns, name


def test_a_run_accounts_for_every_row(tmp_path: Path, answers: list[dict[str, str]]) -> None:
    config = {
        "scorers": [{"type": "lengths"}, {"type": "duplicates"}],
        "filters": [
            {"type": "exact_duplicates"},
            {"type": "near_duplicates"},
            {"type": "topsis", "keep": 0.5, "criteria": {"lengths.chosen": "max"}},
        ],
        "output": {"format": "sft"},
        "store": None,
    }
    rows = [*answers, answers[0]]
    result = Pipeline(config).run(rows, output=tmp_path / "out")
    assert result.rows_in == ROWS + 1 == result.rows_kept + result.rows_dropped
    assert "exact_duplicate" in result.dropped["drop_code"].to_list()
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "no labels whose noise could be estimated" in page


@pytest.mark.parametrize(
    "step",
    [
        *({"type": name} for name in ("artefacts", "consensus", "identical_answers", "ties")),
        {"type": "flip_where", "condition": "is_tie"},
        {"type": "bees", "margins": ["lengths.chosen", "lengths.turns"]},
    ],
    ids=lambda step: step["type"],
)
def test_filters_of_pairs_are_refused(step: dict[str, Any], answers: list[dict[str, str]]) -> None:
    pipeline = Pipeline({"scorers": [{"type": "lengths"}], "filters": [step], "store": None})
    with pytest.raises(CurateError, match="need a rejected answer") as caught:
        pipeline.run(answers)
    assert step["type"] in str(caught.value)


def test_a_scorer_of_pairs_is_refused_before_anything_is_computed(
    answers: list[dict[str, str]],
) -> None:
    with pytest.raises(CurateError, match="need a rejected answer") as caught:
        score(answers, "noise_score", store=None)
    assert "noise_score" in str(caught.value)
    assert "lengths" in str(caught.value)


def test_a_column_of_the_other_answer_is_refused(answers: list[dict[str, str]]) -> None:
    filters = [{"type": "threshold", "column": "lengths.difference", "min": 1}]
    config = {"scorers": [{"type": "lengths"}], "filters": filters, "store": None}
    with pytest.raises(CurateError, match="needs a rejected answer") as caught:
        Pipeline(config).run(answers)
    assert "lengths.difference" in str(caught.value)


def test_pairs_and_answers_do_not_mix(
    tmp_path: Path, pairs: list[dict[str, str]], answers: list[dict[str, str]]
) -> None:
    sources = []
    for name, rows in (("pairs", pairs), ("answers", answers)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        sources.append({"path": str(tmp_path / f"{name}.jsonl"), "name": name})
    with pytest.raises(CurateError, match="pairs and single answers are mixed"):
        Pipeline({"input": sources, "store": None}).run()


def test_verbs_that_compare_answers_refuse(answers: list[dict[str, str]]) -> None:
    for verb in (audit, bench):
        with pytest.raises(CurateError, match="compares two answers"):
            verb(answers)


def test_the_way_of_a_newcomer(tmp_path: Path, answers: list[dict[str, str]]) -> None:
    (tmp_path / "sft.jsonl").write_text("\n".join(map(json.dumps, [*answers, answers[0]])))
    data, pipeline = str(tmp_path / "sft.jsonl"), str(tmp_path / "p.yaml")

    def curate(*words: str) -> str:
        result = CliRunner().invoke(app, list(words))
        assert result.exit_code == 0, result.output
        return result.output

    assert "rejected" not in curate("inspect", data).partition("First pair")[2]
    curate("init", "--data", data, pipeline)
    text = (tmp_path / "p.yaml").read_text()
    (tmp_path / "p.yaml").write_text(text.replace("{name: auto}", "{name: static}"))
    assert "format sft" in curate("run", pipeline, "--dry-run")
    printed = curate("run", pipeline, "--output", str(tmp_path / "out"))
    assert "single answers have" in printed
    assert "curate route" not in printed
    curate("export", str(tmp_path / "out"), "--to", "source", "--output", str(tmp_path / "same"))
    audited = curate("audit", data, "--output", str(tmp_path / "audit.json"))
    assert "exact repeats of an earlier row" in audited
    problems = json.loads((tmp_path / "audit.json").read_text())["problems"]
    distinct = {(row["prompt"], row["completion"]) for row in answers}
    assert problems["exact repeats of an earlier row"] == ROWS + 1 - len(distinct)
    refused = CliRunner().invoke(app, ["bench", data])
    assert refused.exit_code != 0


def test_a_dry_run_refuses_what_a_run_does(tmp_path: Path, answers: list[dict[str, str]]) -> None:
    (tmp_path / "sft.jsonl").write_text("\n".join(map(json.dumps, answers)))
    text = f"input: {{path: {tmp_path}/sft.jsonl}}\nscorers: [{{type: noise_score}}]\n"
    (tmp_path / "p.yaml").write_text(text)
    result = CliRunner().invoke(app, ["run", str(tmp_path / "p.yaml"), "--dry-run"])
    assert result.exit_code != 0
    assert isinstance(result.exception, SystemExit | CurateError)


def test_a_run_of_single_answers_is_read_again(
    tmp_path: Path, answers: list[dict[str, str]]
) -> None:
    config = {"output": {"format": "pairs"}, "store": None}
    Pipeline(config).run(answers, output=tmp_path / "out")
    again = read_pairs(str(tmp_path / "out" / "kept")).frame
    assert again["rejected"].null_count() == ROWS
    assert again["pair_id"].to_list() == read_pairs(answers).frame["pair_id"].to_list()
    assert pl.Series(again["chosen"]).equals(read_pairs(answers).frame["chosen"])


@pytest.mark.parametrize("option", ["--budget", "--random"])
def test_answers_are_not_routed_to_people_who_compare_two(
    tmp_path: Path, answers: list[dict[str, str]], option: str
) -> None:
    config = {"scorers": [{"type": "lengths"}], "output": {"format": "sft"}, "store": None}
    Pipeline(config).run(answers, output=tmp_path / "run")
    command = ["route", str(tmp_path / "run"), option, "3", "--output", str(tmp_path / "tasks")]
    error = CliRunner().invoke(app, command).exception
    assert isinstance(error, CurateError)
    assert "single answers" in str(error)
    assert not (tmp_path / "tasks").exists()
