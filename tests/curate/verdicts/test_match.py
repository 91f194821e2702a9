"""A verdict prefers an answer, whichever way the label points meanwhile."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from curate import CurateError, Pairs, Pipeline
from curate.data.attachments import MEDIA
from curate.people.apply import apply_verdicts, verdict_files
from curate.people.merge import merge_verdicts
from curate.people.verdict_log import VerdictLog
from curate.steps.context import SilentProgress
from curate.steps.relabel import flip_labels
from curate.verdicts.answers import answer_hashes
from curate.verdicts.files import SCHEMA, read_verdicts
from curate.verdicts.match import label_verdicts, match_verdicts
from curate.verdicts.tools import TOOLS
from curate.write.run_files import RunFiles
from tests.helpers import numbered_pairs, pairs_of, write_jsonl

VERDICTS = ("keep", "flip", "tie", "drop", "skip")
TURNED = {"keep": "flip", "flip": "keep"}


def verdicts_on(pairs: pl.DataFrame, words: list[str], reviewer: str = "ann") -> pl.DataFrame:
    """One verdict a pair, as made on the labels of these pairs."""
    rows = [
        {"pair_id": i, "reviewer": reviewer, "verdict": v, "blind": True, **h}
        for i, v, h in zip(
            pairs["pair_id"], words, answer_hashes(pairs).iter_rows(named=True), strict=True
        )
    ]
    return pl.DataFrame(rows, schema=SCHEMA)


def flipped(pairs: pl.DataFrame, rows: list[bool]) -> pl.DataFrame:
    return pairs.with_columns(flip_labels(pairs, pl.Series(rows)))


@pytest.mark.parametrize(("word", "flip"), list(product(VERDICTS, [False, True])))
def test_a_verdict_is_turned_exactly_where_the_label_was(word: str, flip: bool) -> None:
    pairs = numbered_pairs(3)
    verdicts = verdicts_on(pairs, ["keep", word, "skip"])
    matched = match_verdicts(flipped(pairs, [False, flip, False]), verdicts)
    expected = TURNED.get(word, word) if flip else word
    assert matched.frame["verdict"].to_list() == ["keep", expected, "skip"]
    assert matched.turned == int(flip and word in TURNED)
    assert (matched.unknown, matched.changed, matched.unchecked) == (0, 0, 0)


def test_turning_twice_gives_the_verdict_back() -> None:
    pairs = numbered_pairs(5)
    verdicts = verdicts_on(pairs, list(VERDICTS))
    once = match_verdicts(flipped(pairs, [True] * 5), verdicts).frame
    twice = match_verdicts(pairs, once)
    assert twice.frame.equals(verdicts)
    assert twice.turned == 2


def test_images_tell_answers_of_equal_text_apart() -> None:
    media = [[[{"path": name, "bytes": None}]] for name in ("a.png", "b.png")]
    pairs = pairs_of([{"prompt": "p", "chosen": "one", "rejected": "one"}]).with_columns(
        pl.Series("images", media[0], dtype=MEDIA),
        pl.Series("rejected_images", media[1], dtype=MEDIA),
    )
    matched = match_verdicts(flipped(pairs, [True]), verdicts_on(pairs, ["keep"]))
    assert matched.frame["verdict"].to_list() == ["flip"]


def test_equal_answers_are_turned_by_nothing() -> None:
    pairs = pairs_of([{"prompt": "p", "chosen": "one", "rejected": "one"}])
    matched = match_verdicts(flipped(pairs, [True]), verdicts_on(pairs, ["keep"]))
    assert (matched.frame["verdict"].to_list(), matched.turned) == (["keep"], 0)


@pytest.mark.parametrize("side", ["chosen", "rejected"])
def test_one_answer_that_was_rewritten_still_tells_the_orientation(side: str) -> None:
    pairs = numbered_pairs(1)
    verdicts = verdicts_on(pairs, ["keep"])
    masked = pairs.with_columns(pairs["prompt"].alias(side))
    assert match_verdicts(masked, verdicts).frame["verdict"].to_list() == ["keep"]
    assert match_verdicts(flipped(masked, [True]), verdicts).frame["verdict"].to_list() == ["flip"]


def test_unknown_and_changed_pairs_are_counted_and_refused() -> None:
    pairs = numbered_pairs(4)
    other = pairs_of([{"prompt": "p", "chosen": "x", "rejected": "y"}])
    changed = pairs.with_columns(
        chosen=pl.when(pl.int_range(4) == 1).then("prompt").otherwise("chosen"),
        rejected=pl.when(pl.int_range(4) == 1).then("prompt").otherwise("rejected"),
    )
    verdicts = pl.concat([verdicts_on(pairs, ["keep"] * 4), verdicts_on(other, ["flip"])])
    matched = match_verdicts(changed, verdicts)
    assert (matched.total, matched.unknown, matched.changed) == (5, 1, 1)
    assert matched.frame["pair_id"].to_list() == [pairs["pair_id"][i] for i in (0, 2, 3)]
    with pytest.raises(CurateError) as error:
        matched.require_all("out")
    assert "1 of 5 verdicts on unknown pairs" in error.value.text()
    assert "1 of 5 verdicts on pairs whose answers changed" in error.value.text()
    with pytest.raises(CurateError, match="do not belong to these pairs"):
        merge_verdicts(changed, verdicts)


def test_a_file_of_an_older_version_works_with_a_warning(tmp_path: Path) -> None:
    pairs = numbered_pairs(2)
    rows = [
        {"pair_id": i, "reviewer": "ann", "verdict": v}
        for i, v in zip(pairs["pair_id"], ("flip", "tie"), strict=True)
    ]
    matched = match_verdicts(pairs, read_verdicts([write_jsonl(tmp_path / "v.jsonl", rows)]))
    assert matched.frame["verdict"].to_list() == ["flip", "tie"]
    assert matched.unchecked == 1
    assert "1 of 2 verdicts do not record which answer" in matched.warnings()[0]
    assert "a filter has flipped" not in matched.warnings()[0]
    verdicts = read_verdicts([tmp_path / "v.jsonl"])
    matched = match_verdicts(flipped(pairs, [True, True]), verdicts)
    assert matched.frame["verdict"].to_list() == ["flip", "tie"]
    assert matched.warnings()[0].endswith(
        "a filter has flipped 1 of these labels: review them again"
    )


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tools_export_is_turned_too(tool: str, tmp_path: Path) -> None:
    pairs = numbered_pairs(8)
    order = pl.Series([True, False] * 4)
    files = TOOLS[tool].files(pairs, order)
    content = next(
        v for k, v in files.items() if k in ("tasks.json", "records.json", "pairs.jsonl")
    )
    tasks = [json.loads(t) for t in content.splitlines()] if tool == "pairs" else content
    answered: list[Any] = []
    for task in tasks:  # everybody prefers A
        if tool == "label_studio":
            result = [{"from_name": "verdict", "value": {"choices": ["A"]}}]
            answered.append({**task, "annotations": [{"completed_by": 7, "result": result}]})
        elif tool == "argilla":
            responses = {"verdict": [{"value": "A", "user_id": "7"}]}
            answered.append({**task, "responses": responses})
        else:
            answered.append({**task, "verdict": "A"})
    path = tmp_path / "done.json"
    path.write_text(json.dumps(answered))
    verdicts = read_verdicts([path])
    assert verdicts["blind"].to_list() == [True] * 8
    flips = [i < 4 for i in range(8)]
    matched = match_verdicts(flipped(pairs, flips), verdicts)
    expected = [
        "keep" if first != flip else "flip" for first, flip in zip(order, flips, strict=True)
    ]
    assert matched.frame["verdict"].to_list() == expected
    assert matched.turned == 4


def test_judged_labels_are_those_of_most_reviewers() -> None:
    pairs = numbered_pairs(5)
    frames = [
        verdicts_on(pairs, words, name)
        for name, words in (
            ("ann", ["keep", "flip", "keep", "tie", "skip"]),
            ("bob", ["keep", "flip", "flip", "tie", "skip"]),
            ("eve", ["flip", "skip", "skip", "tie", "skip"]),
        )
    ]
    labels = label_verdicts(pairs, pl.concat(frames))
    assert labels.dtype == "int8"
    assert labels.tolist() == [1, -1, 0, 0, 0]


def run_with(tmp_path: Path, pairs: pl.DataFrame, overwrite: bool = False) -> Path:
    config = {"scorers": [{"type": "lengths"}], "output": {"report": False}, "store": None}
    Pipeline(config).run(Pairs(pairs), output=tmp_path / "run", overwrite=overwrite)
    return tmp_path / "run"


def test_verdicts_carried_over_an_overwrite_do_not_flip_back(tmp_path: Path) -> None:
    pairs = numbered_pairs(6)
    log = VerdictLog(run_with(tmp_path, pairs), "ann")
    hashes = answer_hashes(pairs).rows()
    for i in range(3):  # they say of three labels that they are wrong
        log.add(pairs["pair_id"][i], "flip", hashes=hashes[i])
    log.add(pairs["pair_id"][3], "keep", hashes=hashes[3])
    log.close()
    # A filter flips these labels, and one that people had called right.
    run = run_with(tmp_path, flipped(pairs, [True, True, False, True, False, False]), True)
    result, _ = apply_verdicts(run, verdict_files(run), tmp_path / "new", False, SilentProgress())
    kept_pairs = result.kept.join(pairs, on="pair_id", suffix="_read", maintain_order="left")
    is_flipped = (kept_pairs["chosen"] != kept_pairs["chosen_read"]).to_list()
    assert is_flipped == [True, True, True, False, False, False]
    step = RunFiles(tmp_path / "new").manifest.steps[-2]
    assert step.facts == {"verdicts": {"keep": 2, "flip": 2}, "turned": 3, "ignored": 0}
    assert "3 of 4 verdicts were given before the label was flipped" in step.warnings[0]


def test_apply_refuses_verdicts_on_other_pairs_by_their_count(tmp_path: Path) -> None:
    pairs = numbered_pairs(6)
    run = run_with(tmp_path, pairs)
    log = VerdictLog(run, "ann")
    log.add(pairs["pair_id"][0], "drop")
    for name in ("gone-1", "gone-2"):
        log.add(name, "keep")
    log.close()
    with pytest.raises(CurateError) as error:
        apply_verdicts(run, verdict_files(run), tmp_path / "new", False, SilentProgress())
    assert "2 of 3 verdicts on unknown pairs" in error.value.text()
    assert not (tmp_path / "new").exists()
    result, _ = apply_verdicts(
        run, verdict_files(run), tmp_path / "new", False, SilentProgress(), ignore_unknown=True
    )
    assert len(result.kept) == 5
    step = RunFiles(tmp_path / "new").manifest.steps[-2]
    assert step.facts == {"verdicts": {"drop": 1}, "turned": 0, "ignored": 2}
    assert any("left out: 2 of 3 verdicts" in line for line in step.warnings)
