"""From a run to people and back: tasks, verdicts of three tools, votes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest
from typer.testing import CliRunner

from curate import CurateError, Pairs, Pipeline, read_pairs
from curate.cli.app import app
from curate.data.attachments import MEDIA
from curate.data.file_margins import file_margin
from curate.people.merge import merge_files, merge_verdicts
from curate.people.route import RoutingChoice, route_pairs
from curate.steps.context import SilentProgress
from curate.steps.relabel import flip_labels
from curate.verdicts.files import read_verdicts
from curate.write.run_files import RunFiles
from tests.helpers import numbered_pairs, pairs_of, write_jsonl


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Twelve pairs of six prompts, with answers of one to twelve words more."""
    rows = [
        {"prompt": f"prompt {i % 6}", "chosen": f"good{' word' * i}", "rejected": f"evil {i}"}
        for i in range(12)
    ]
    frame = pairs_of(rows)
    config = {
        "scorers": [{"type": "lengths"}],
        "filters": [{"type": "sample", "rows": 8}],
        "store": None,
    }
    Pipeline(config).run(Pairs(frame), output=tmp_path / "run")
    return tmp_path / "run"


def choice(tool: str = "pairs", **other: Any) -> RoutingChoice:
    return RoutingChoice(**{"budget": 5, "tool": tool, "by": ["lengths.chosen"], **other})


def answered(tasks: list[dict[str, Any]], tool: str, verdicts: list[str]) -> Any:
    """What the tool exports when one person wants these verdicts."""
    rows = []
    for task, verdict in zip(tasks, verdicts, strict=True):
        data = task.get("data") or task
        order = data.get("order") or task["metadata"]["order"]
        keep, flip = ("A", "B") if order == "straight" else ("B", "A")
        answer = {"keep": keep, "flip": flip}.get(verdict, verdict)
        if tool == "label_studio":
            result = [{"from_name": "verdict", "value": {"choices": [answer]}}]
            rows.append({**task, "annotations": [{"completed_by": 7, "result": result}]})
        elif tool == "argilla":
            rows.append({**task, "responses": {"verdict": [{"value": answer, "user_id": "7"}]}})
        else:
            rows.append({**task, "verdict": answer, "reviewer": "7"})
    return rows


TASKS = {"label_studio": "tasks.json", "argilla": "records.json", "pairs": "pairs.jsonl"}
NAMES = ["pair_id", "reviewer", "verdict"]
WANTED = ["keep", "flip", "tie", "drop", "keep"]


@pytest.mark.parametrize("tool", TASKS)
def test_there_and_back(tool: str, run: Path, tmp_path: Path) -> None:
    routed = route_pairs(run, tmp_path / "tasks", choice(tool))
    text = (tmp_path / "tasks" / TASKS[tool]).read_text()
    tasks = [json.loads(t) for t in text.splitlines()] if tool == "pairs" else json.loads(text)
    assert len(tasks) == len(routed.pairs) == 5
    done = tmp_path / "done.json"
    done.write_text(json.dumps(answered(tasks, tool, WANTED)))
    merged = merge_files(str(run), [done], tmp_path / "merged", False, SilentProgress())
    assert merged.counts == {"keep": 2, "flip": 1, "tie": 1, "drop": 1, "skip": 0}
    assert merged.warnings == ()
    again = read_pairs(str(tmp_path / "merged" / "pairs")).frame
    votes = again.filter(pl.col("annotator") == "7")
    assert (len(again), len(votes)) == (12 + 4, 4)
    assert votes["is_tie"].to_list() == [False, False, True, False]
    starts = [c[0]["content"].split()[0] for c in votes["chosen"].to_list()]
    assert starts == ["good", "evil", "good", "good"]
    voted_ids = [json.loads(e)["verdict_on"] for e in votes["extra"]]
    ids = routed.pairs["pair_id"].to_list()
    assert voted_ids == [ids[i] for i in (0, 1, 2, 4)]
    assert again["pair_id"].n_unique() == 16


def test_tasks_show_both_orders_and_neither_label_nor_score(run: Path, tmp_path: Path) -> None:
    route_pairs(run, tmp_path / "t", choice("label_studio", budget=6))
    tasks = json.loads((tmp_path / "t" / "tasks.json").read_text())
    assert {task["data"]["order"] for task in tasks} == {"straight", "crossed"}
    for task in tasks:
        straight = task["data"]["order"] == "straight"
        assert task["data"]["answer_a"].startswith("good" if straight else "evil")
        names = {"pair_id", "order", "answers", "prompt", "answer_a", "answer_b"}
        assert set(task["data"]) == names
    config = ElementTree.parse(tmp_path / "t" / "label_config.xml").getroot()
    shown_fields = {e.get("value") for e in config.iter("Text")}
    assert shown_fields == {"$prompt", "$answer_a", "$answer_b"}


def test_one_pair_a_prompt_within_the_budget(run: Path, tmp_path: Path) -> None:
    routed = route_pairs(run, tmp_path / "a", choice(budget=50))
    assert len(routed.pairs) == 6
    more = route_pairs(run, tmp_path / "b", choice(budget=50, per_prompt=2))
    assert len(more.pairs) == 12
    routed_twice = route_pairs(
        run, tmp_path / "c", choice(budget=50, per_prompt=2, include_dropped=False)
    )
    assert len(routed_twice.pairs) == 8
    priority = more.pairs["priority"].to_list()
    assert priority == sorted(priority, reverse=True)


def test_gains_decide_where_they_are_given(run: Path, tmp_path: Path) -> None:
    coefficients = {"longer_words=low": 1.0}
    routed = route_pairs(run, tmp_path / "a", choice(budget=3, by=[], coefficients=coefficients))
    assert routed.columns == []
    assert routed.pairs["gain"].to_list() == [1.0] * 3
    assert routed.pairs["longer_words"].max() < 6


def test_nothing_to_go_by(run: Path, tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="there is no score to choose pairs for review"):
        route_pairs(run, tmp_path / "a", choice(by=[]))
    with pytest.raises(CurateError, match="unknown tool"):
        route_pairs(run, tmp_path / "a", choice("paper"))
    assert not (tmp_path / "a").exists()


def test_the_last_verdict_of_a_reviewer_counts(tmp_path: Path) -> None:
    rows = [
        {"pair_id": "x", "reviewer": "ann", "verdict": "keep"},
        {"pair_id": "x", "reviewer": "bob", "verdict": "flip"},
        {"pair_id": "x", "reviewer": "ann", "verdict": "tie"},
        {"pair_id": "y", "reviewer": "ann", "verdict": None},
    ]
    verdicts = read_verdicts([write_jsonl(tmp_path / "v.jsonl", rows)])
    # No verdict yet is none, and not a skip.
    assert sorted(verdicts.select(NAMES).rows()) == [("x", "ann", "tie"), ("x", "bob", "flip")]


def test_an_undone_verdict_is_none(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"pair_id": "x", "reviewer": "ann", "verdict": "keep"},
        {"pair_id": "y", "reviewer": "ann", "verdict": "skip"},
        {"pair_id": "x", "reviewer": "ann", "verdict": "skip", "undone": True},
    ]
    verdicts = read_verdicts([write_jsonl(tmp_path / "v.jsonl", rows)])
    assert verdicts.select(NAMES).rows() == [("y", "ann", "skip")]


def test_wrong_verdicts_say_where(tmp_path: Path) -> None:
    bad = write_jsonl(tmp_path / "v.jsonl", [{"pair_id": "x", "verdict": "kepe"}])
    with pytest.raises(CurateError, match=r"v.jsonl, verdict 1[\s\S]*did you mean 'keep'"):
        read_verdicts([bad])
    with pytest.raises(CurateError, match="unrecognised verdict format"):
        read_verdicts([write_jsonl(tmp_path / "w.jsonl", [{"a": 1}])])
    (tmp_path / "n.json").write_text("{oops")
    with pytest.raises(CurateError, match="cannot read the verdicts"):
        read_verdicts([tmp_path / "n.json"])
    good = write_jsonl(tmp_path / "g.jsonl", [{"pair_id": "x", "verdict": "keep"}])
    with pytest.raises(CurateError, match="1 of 1 verdicts on unknown pairs"):
        merge_verdicts(numbered_pairs(2), read_verdicts([good]))


def test_a_cancelled_annotation_counts_for_nothing(tmp_path: Path) -> None:
    result = [{"from_name": "verdict", "value": {"choices": ["A"]}}]
    task = {
        "data": {"pair_id": "x", "order": "straight"},
        "annotations": [
            {"completed_by": {"email": "a@b.c"}, "result": result, "was_cancelled": False},
            {"completed_by": 2, "result": result, "was_cancelled": True},
            {"completed_by": 3, "result": []},
        ],
    }
    (tmp_path / "v.json").write_text(json.dumps([task]))
    verdicts = read_verdicts([tmp_path / "v.json"])
    assert verdicts.select(NAMES).rows() == [
        ("x", "a@b.c", "keep"),
        ("x", "2", "skip"),
        ("x", "3", "skip"),
    ]


def test_commands(run: Path, tmp_path: Path) -> None:
    (tmp_path / "gains.json").write_text('{"overlap=low": 1}')
    out = str(tmp_path / "t")
    options = [
        "--budget",
        "3",
        "--output",
        out,
        "--to",
        "pairs",
        "--gains",
        str(tmp_path / "gains.json"),
    ]
    done = CliRunner().invoke(app, ["route", str(run), *options])
    assert done.exit_code == 0, done.output
    assert "3 of 12 pairs for review" in done.output
    verdicts = write_jsonl(
        tmp_path / "v.jsonl",
        [{"pair_id": p, "verdict": "flip"} for p in RunFiles(run).scores()["pair_id"][:2]],
    )
    merged = CliRunner().invoke(app, ["merge", str(run), str(verdicts), "-o", str(tmp_path / "m")])
    assert merged.exit_code == 0, merged.output
    assert "verdicts: 2 flip" in merged.output
    (tmp_path / "gains.json").write_text('["x"]')
    wrong = CliRunner().invoke(app, ["route", str(run), *options, "--overwrite"])
    assert isinstance(wrong.exception, CurateError)


def test_a_vote_for_the_other_image_takes_its_image() -> None:
    media = [[[{"path": name, "bytes": None}]] for name in ("a.png", "b.png")]
    pairs = numbered_pairs(1).with_columns(
        pl.Series("images", media[0], dtype=MEDIA),
        pl.Series("rejected_images", media[1], dtype=MEDIA),
    )
    schema = ["pair_id", "reviewer", "verdict"]
    verdicts = pl.DataFrame([(pairs["pair_id"][0], "eve", "flip")], schema=schema, orient="row")
    merged_pair = merge_verdicts(pairs, verdicts).frame[1]
    assert merged_pair["images"][0][0]["path"] == "b.png"
    assert merged_pair["rejected_images"][0][0]["path"] == "a.png"


def test_scores_of_the_file_side_with_the_same_answer_after_a_vote() -> None:
    """Score gaps of votes agree with the answers, however often the label was flipped before."""
    extra = ('{"score_chosen":1,"score_rejected":3}', '{"score_chosen":2,"score_rejected":0}')
    rows = [
        {"prompt": f"p{i}", "chosen": "a", "rejected": "b", "extra": text}
        for i, text in enumerate(extra)
    ]
    pairs = pairs_of(rows)
    flipped = pairs.with_columns(flip_labels(pairs, pl.Series([True, False])))
    votes = [{"pair_id": i, "reviewer": "ann", "verdict": "flip"} for i in flipped["pair_id"]]
    frame = merge_verdicts(flipped, pl.DataFrame(votes)).frame
    first_answer = frame["chosen"].list.first().struct.field("content") == "a"
    gaps = file_margin("score_gap", frame, ("score_chosen", "score_rejected"))
    expected = [-2.0, 2.0, -2.0, 2.0]
    sign = [1.0 if first else -1.0 for first in first_answer]
    assert gaps.tolist() == [e * s for e, s in zip(expected, sign, strict=True)]
