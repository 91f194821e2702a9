"""Judged pairs of every source, as a run takes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from curate import CurateError, Pipeline, score
from curate.cli.app import app
from curate.people.verdict_log import VerdictLog
from curate.steps.relabel import flip_labels
from curate.verdicts.gold import judged_pairs, to_gold_config
from curate.verdicts.tools import TOOLS
from tests.helpers import numbered_pairs, pairs_of

EXPECTED = [1, -1, 0, 0, 1, 0]


def pairs() -> pl.DataFrame:
    return numbered_pairs(6)


def log_file(frame: pl.DataFrame, folder: Path) -> Path:
    """A log of `curate review`: keep, flip, tie, skip, keep of the first five pairs."""
    log = VerdictLog(folder, "ann")
    verdicts = ("keep", "flip", "tie", "skip", "keep")
    from curate.verdicts.answers import answer_hashes

    hashes = answer_hashes(frame).rows()
    for pair_id, verdict, hash_ in zip(frame["pair_id"], verdicts, hashes, strict=False):
        log.add(pair_id, verdict, hashes=hash_)
    log.close()
    return log.path


def tool_file(name: str, frame: pl.DataFrame, folder: Path) -> Path:
    """An export of Label Studio or Argilla with the same verdicts, answers shown in both orders."""
    first = pl.Series([i % 2 == 0 for i in range(len(frame))])
    tasks = TOOLS[name].files(frame, first)
    choices = ["A", "A", "tie", None, "A", None]
    tasks = tasks["tasks.json" if name == "label_studio" else "records.json"]
    for task, choice in zip(tasks, choices, strict=True):
        result = [{"from_name": "verdict", "value": {"choices": [choice]}}] if choice else []
        if name == "label_studio":
            task["annotations"] = [{"completed_by": {"email": "ann"}, "result": result}]
        else:
            answer = [{"value": choice, "user_id": "ann"}] if choice else []
            task["responses"] = {"verdict": answer}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return path


def gold_of(kind: str, frame: pl.DataFrame, folder: Path) -> Any:
    if kind == "review":
        return log_file(frame, folder)
    if kind in ("run", "verdicts"):
        log_file(frame, folder)
        return [folder if kind == "run" else folder / "verdicts"]
    return tool_file(kind, frame, folder)


@pytest.mark.parametrize("kind", ["review", "run", "verdicts", "label_studio", "argilla"])
def test_verdicts_of_each_tool_say_which_labels_are_right(kind: str, tmp_path: Path) -> None:
    gold = to_gold_config(gold_of(kind, pairs(), tmp_path))
    assert gold is not None
    judgements = judged_pairs(gold, pairs())
    assert judgements.labels.tolist() == EXPECTED
    assert judgements.labels.dtype == np.int8
    assert judgements.warnings == ()


@pytest.mark.parametrize("kind", ["review", "label_studio", "argilla"])
def test_verdicts_are_turned_where_the_label_was_flipped_since(kind: str, tmp_path: Path) -> None:
    flips = pl.Series([True, True, False, False, False, False])
    before = pairs().with_columns(flip_labels(pairs(), flips))
    gold = to_gold_config(gold_of(kind, before, tmp_path))
    assert gold is not None
    judgements = judged_pairs(gold, pairs())
    assert judgements.labels.tolist() == [-1, 1, 0, 0, 1, 0]
    assert judgements.facts()["verdicts_turned"] == 2
    assert "adjusted" in judgements.warnings[0]


@pytest.mark.parametrize(
    "values",
    [
        ["keep", "flip", "tie", None, " Right "],
        ["chosen", "rejected", "tie", "", "correct"],
        [1, -1, 0, None, 1.0],
        [True, False, None, None, True],
        ["right", "wrong", "unsure", "both bad", "true"],
    ],
)
def test_a_column_of_the_data_holds_judgements(values: list[Any]) -> None:
    judgements = judged_pairs(to_gold_config("extra.expert.label"), with_column(values))  # type: ignore[arg-type]
    assert judgements.labels.tolist() == EXPECTED[: len(values)]


def with_column(values: list[Any]) -> pl.DataFrame:
    rows = [
        {
            "prompt": f"p{i}",
            "chosen": f"c{i}",
            "rejected": f"r{i}",
            "extra": json.dumps({"expert": {"label": value}}),
        }
        for i, value in enumerate(values)
    ]
    return pairs_of(rows)


def test_a_judgement_of_a_label_that_was_flipped_since_is_turned() -> None:
    frame = with_column(["right", "right"])
    flipped = frame.with_columns(flip_labels(frame, pl.Series([True, False])))
    assert judged_pairs(to_gold_config("extra.expert.label"), flipped).labels.tolist() == [-1, 1]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (["maybe", "right"], "no judgement"),
        ([1, 0, 1], "0 may mean a wrong label"),
        ([None, None], "the column has no reviewed pair"),
    ],
)
def test_a_column_that_is_no_judgement_is_refused(values: list[Any], problem: str) -> None:
    with pytest.raises(CurateError, match=problem):
        judged_pairs(to_gold_config("extra.expert.label"), with_column(values))  # type: ignore[arg-type]


def test_verdicts_on_other_pairs_are_counted_and_refused_where_none_fits(tmp_path: Path) -> None:
    path = log_file(pairs(), tmp_path)
    gold = to_gold_config([path])
    assert gold is not None
    judgements = judged_pairs(gold, pairs()[1:])
    assert judgements.labels.tolist() == EXPECTED[1:]
    assert "1 of 5 verdicts on unknown pairs" in judgements.warnings[0]
    with pytest.raises(CurateError, match="no verdict matches any"):
        judged_pairs(gold, pairs_of([{"prompt": "x", "chosen": "y", "rejected": "z"}]))


def test_the_majority_of_several_reviewers_counts(tmp_path: Path) -> None:
    frame = pairs()
    lines = [
        {"pair_id": frame["pair_id"][0], "reviewer": who, "verdict": verdict}
        for who, verdict in (("a", "flip"), ("b", "flip"), ("c", "keep"))
    ]
    lines += [
        {"pair_id": frame["pair_id"][1], "reviewer": who, "verdict": verdict}
        for who, verdict in (("a", "flip"), ("b", "keep"))
    ]
    path = tmp_path / "v.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    assert judged_pairs(to_gold_config(path), frame).labels.tolist() == [-1, 0, 0, 0, 0, 0]  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [{"column": "expert"}, {"verdicts": []}, 3, {"columns": "x"}])
def test_a_wrong_value_of_gold_is_refused(value: Any) -> None:
    with pytest.raises(CurateError, match=r"wrong value|unknown key"):
        Pipeline({"gold": value})
    with pytest.raises(CurateError, match="wrong value"):
        to_gold_config(value)


def data_file(folder: Path) -> Path:
    rows = [
        {"prompt": f"p{i}", "chosen": f"good {i}", "rejected": f"bad {i}"}
        | ({"expert": "wrong"} if i == 2 else {"expert": "right"} if i == 4 else {})
        for i in range(8)
    ]
    path = folder / "data.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def test_a_run_marks_judged_pairs_and_counts_them(tmp_path: Path) -> None:
    config = {
        "input": {"path": str(data_file(tmp_path))},
        "gold": {"column": "extra.expert"},
        "scorers": [{"type": "lengths"}],
        "filters": [{"type": "expression", "drop": "`gold.judged` = 'wrong'"}],
        "output": {"columns": {"judged": "gold.judged"}},
    }
    result = Pipeline(config).run(output=tmp_path / "run")
    assert result.scores["gold.judged"].to_list() == [
        *[None] * 2,
        "wrong",
        None,
        "right",
        *[None] * 3,
    ]
    assert result.rows_dropped == 1
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))
    gold = manifest["steps"][0]["facts"]["gold"]
    assert (gold["judged_right"], gold["judged_wrong"]) == (1, 1)
    assert manifest["config"]["gold"]["column"] == "extra.expert"


def test_verdicts_are_refused_before_the_pairs_are_read(tmp_path: Path) -> None:
    config = {"input": {"path": str(tmp_path / "none.jsonl")}, "gold": str(tmp_path / "none.json")}
    with pytest.raises(CurateError, match="cannot read the verdicts"):
        Pipeline(config).run()


def test_gold_of_the_command_line_goes_before_that_of_the_file(tmp_path: Path) -> None:
    yaml = tmp_path / "p.yaml"
    data = data_file(tmp_path)
    yaml.write_text(f"input: {{path: {data}}}\nscorers: [{{type: lengths}}]\ngold: none.jsonl\n")
    out = tmp_path / "run"
    ran = CliRunner().invoke(app, ["run", str(yaml), "--gold", "extra.expert", "-o", str(out)])
    assert ran.exit_code == 0, ran.output
    scores = pl.read_parquet(out / "scores.parquet")
    assert scores["gold.judged"].drop_nulls().to_list() == ["wrong", "right"]


def test_one_scorer_takes_gold_too(tmp_path: Path) -> None:
    result = score(data_file(tmp_path), "lengths", gold={"column": "extra.expert"}, store=None)
    assert result.frame["gold.judged"].drop_nulls().to_list() == ["wrong", "right"]


def test_a_dry_run_shows_evidence_gold_and_the_order(tmp_path: Path) -> None:
    yaml = tmp_path / "p.yaml"
    scorers = "[{type: label_em}, {type: relevance}]"
    yaml.write_text(f"input: {{path: {data_file(tmp_path)}}}\nscorers: {scorers}\n")
    command = ["run", str(yaml), "--dry-run", "--gold", "extra.expert"]
    output = CliRunner().invoke(app, command).output
    assert "gold:   extra.expert" in output
    assert "evidence: relevance.margin" in output
    assert output.index("relevance.chosen") < output.index("label_em.posterior")


def test_a_filter_by_judged_pairs_without_any_says_what_is_missing() -> None:
    filters = [{"type": "expression", "drop": "`gold.judged` = 'wrong'"}]
    with pytest.raises(CurateError, match="unknown column") as caught:
        Pipeline({"filters": filters})
    assert "gold:" in str(caught.value.fix)
