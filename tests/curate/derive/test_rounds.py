"""Rounds of self-annotation, on a simulated policy whose rewards are known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from curate import CurateError, read_pairs
from curate.cli.app import app
from curate.derive.pool import candidate_pairs, read_pool
from curate.derive.rounds import compare_with_previous, is_extra_true, make_round
from curate.models.heads.round_heads import LabelledPairs, RoundHeads
from curate.read.input import InputConfig
from curate.read.raw_rows import PublishedRows
from curate.write.run_files import RunFiles
from tests.helpers import pairs_of as table_of
from tests.helpers import turn, write_jsonl
from tests.simulated_rounds import ANSWERS, DIM, World, do_round, embedded_by, kept_of
from tests.stub_endpoint import stub_endpoint


@pytest.fixture
def embedded() -> Iterator[World]:
    world = World()
    with embedded_by(world):
        yield world


def test_gates_and_draws_raise_the_share_of_right_labels(embedded: World, tmp_path: Path) -> None:
    gold = embedded.gold(150)
    first = do_round(tmp_path / "1", embedded.pool(200), gold, vote=0.98)
    kept_pairs = kept_of(tmp_path / "1")
    every = pl.concat([kept_pairs, RunFiles(tmp_path / "1").all_pairs().select(kept_pairs.columns)])
    every = every.unique("pair_id")
    assert len(kept_pairs) == first["kept"] < len(every) == first["pairs"]
    assert embedded.right(kept_pairs).mean() > embedded.right(every).mean() > 0.6
    facts = do_round(tmp_path / "2", embedded.pool(200, "more"), gold, before=tmp_path / "1")
    assert facts["round"] == 2
    assert facts["both_side_with_the_label"] < facts["pairs"]
    again = kept_of(tmp_path / "2")
    assert embedded.right(again).mean() > 0.6
    manifest = json.loads((tmp_path / "2" / "manifest.json").read_text())
    new_round = manifest["steps"][0]["facts"]["made"]
    assert new_round["before"] == str(tmp_path / "1")
    assert new_round["round"] == 2


def test_labels_that_both_heads_reject_are_flipped(embedded: World, tmp_path: Path) -> None:
    gold = embedded.gold(400, flips=0.0)
    noisy = embedded.gold(300, flips=0.3)
    pairs = noisy.with_columns(prompt=pl.Series([turn(f"q {i}", "user") for i in range(300)]))
    wrong = ~embedded.right(pairs)
    do_round(tmp_path / "1", pairs, gold, easy=1.0)
    kept_pairs = kept_of(tmp_path / "1")
    flipped = is_extra_true(kept_pairs, "flipped").to_numpy()
    assert flipped.sum() > 20
    assert embedded.right(kept_pairs).mean() > 1 - wrong.mean() + 0.1
    assert embedded.right(kept_pairs)[flipped].mean() > 0.7


def test_neighbours_are_those_of_gold_pairs_that_are_wrong(embedded: World) -> None:
    gold = embedded.gold(100, flips=0.0)
    # People say the opposite in a corner that no other gold pair knows.
    corner = np.zeros(DIM)
    corner[0] = 1.0
    names = [f"gold {i}" for i in range(10)]

    def move(name: str) -> None:
        for text in (name, *(f"{name} {k}" for k in ("a", "b", *range(ANSWERS)))):
            moved = 2.0 * corner + embedded.vector(text)
            embedded._vectors[text] = moved / np.linalg.norm(moved)

    for name in names:
        move(name)
    turned = gold[:10].with_columns(chosen="rejected", rejected="chosen")
    pool = embedded.pool(100)
    for i in range(20):
        move(f"pool {i}")
    new_round = make_round(pool, pl.concat([turned, gold[10:]]), None, embedded.embed, people=40)
    near = [m[0]["content"] for m in new_round.people["prompt"]]
    facts = [json.loads(e)["near"] for e in new_round.people["extra"]]
    gold_ids = set(turned["pair_id"])
    inside = [
        int(n.split()[1]) < 20 for n, t in zip(near, facts, strict=True) if t["gold"] in gold_ids
    ]
    assert len(inside) >= 8
    assert np.mean(inside) > 0.9  # 0.2 by chance
    assert min(t["probability"] for t in facts if t["gold"] in gold_ids) < 0.5
    probabilities = [t["probability"] for t in facts]
    assert probabilities == sorted(probabilities)
    assert new_round.findings.for_people == len(near) <= 40


def test_no_head_judges_a_prompt_that_it_learnt_from() -> None:
    rng = np.random.default_rng(0)
    chosen, rejected = rng.normal(size=(2, 60, 4)).astype(np.float32)
    fold = np.arange(60) % 5
    gold = np.arange(60) < 30
    heads = RoundHeads.learn(LabelledPairs(chosen, rejected, fold, gold), 5)

    def turned(rows: np.ndarray) -> RoundHeads:
        first = np.where(rows[:, None], rejected, chosen)
        second = np.where(rows[:, None], chosen, rejected)
        return RoundHeads.learn(LabelledPairs(first, second, fold, gold), 5)

    other = turned(fold == 2)
    for head, same in ((heads.gold, other.gold), (heads.best, other.best)):
        np.testing.assert_allclose(head[2], same[2], rtol=1e-4, atol=1e-6)
        assert not np.allclose(head[3], same[3], rtol=0.05)
    written = turned(~gold)
    np.testing.assert_allclose(heads.gold, written.gold, rtol=1e-4, atol=1e-6)
    assert not np.allclose(heads.best, written.best, rtol=0.05)


def test_of_more_than_four_answers_the_ends_are_paired() -> None:
    pool = World().pool(1)
    pairs, chosen, rejected = candidate_pairs(pool, np.array([3.0, 1.0, 5.0, 4.0, 2.0]))
    assert list(zip(chosen.tolist(), rejected.tolist(), strict=True)) == [
        (2, 3), (2, 4), (2, 1), (3, 4), (3, 1), (4, 1),
    ]  # fmt: skip
    assert pairs["pair_id"].n_unique() == 6
    none, *_ = candidate_pairs(pool, np.zeros(5))
    assert len(none) == 0


def test_changes_are_told_by_texts_and_label() -> None:
    def rows(*texts: tuple[str, str, str]) -> pl.DataFrame:
        return table_of(
            [dict(zip(("prompt", "chosen", "rejected"), t, strict=True)) for t in texts]
        )

    then = rows(("a", "1", "2"), ("b", "1", "2"), ("c", "1", "2"))
    now = rows(("a", "1", "2"), ("b", "2", "1"), ("d", "1", "2"))
    assert compare_with_previous(now, then) == {
        "new": 1,
        "kept_again": 1,
        "label_turned": 1,
        "no_longer": 1,
    }
    assert compare_with_previous(now, None) == {"new": 3}


def test_a_pool_is_read_and_what_is_none_is_counted(tmp_path: Path) -> None:
    rows = [
        {"prompt": "p", "responses": ["a", "b", "a"]},
        {"prompt": [{"role": "user", "content": "q"}], "responses": ["a", "b"]},
        {"prompt": "r", "responses": ["a", "a"]},
        {"prompt": "s", "responses": None},
        {"prompt": None, "responses": ["a", "b"]},
    ]
    place = InputConfig(path=str(write_jsonl(tmp_path / "pool.jsonl", rows)))
    pool = read_pool(PublishedRows(place))
    assert pool.answers == [["a", "b"], ["a", "b"]]
    assert dict(pool.left_out) == {
        "fewer than two different answers": 1,
        "no answers, and no model to write them": 1,
        "prompt is null": 1,
    }
    written = read_pool(PublishedRows(place), lambda prompts: [["x", "y"] for _ in prompts])
    assert written.answers[-1] == ["x", "y"]
    other = write_jsonl(tmp_path / "other.jsonl", [{"text": "a"}])
    with pytest.raises(CurateError, match="there is no prompt column"):
        read_pool(PublishedRows(InputConfig(path=str(other))))


def test_too_few_gold_pairs_and_no_round_before(embedded: World, tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="too few gold pairs"):
        make_round(embedded.pool(3), embedded.gold(5), None, embedded.embed)
    with pytest.raises(CurateError, match="is not a round"):
        do_round(tmp_path / "1", embedded.pool(3), embedded.gold(30), before=tmp_path)


def test_the_command_with_an_endpoint_that_writes_answers(tmp_path: Path) -> None:
    gold = [
        {"prompt": f"question {i}", "chosen": f"a fine answer {i}", "rejected": f"bad {i}"}
        for i in range(30)
    ]
    write_jsonl(tmp_path / "gold.jsonl", gold)
    write_jsonl(tmp_path / "pool.jsonl", [{"prompt": f"ask {i}"} for i in range(6)])

    def reply(body: dict[str, Any]) -> str:
        kind = "a fine answer" if body["seed"] % 2 else "bad"
        return f"{kind} {body['seed']} to {body['messages'][0]['content']}"

    with stub_endpoint(reply) as stub:
        done = CliRunner().invoke(
            app,
            [
                "round", str(tmp_path / "pool.jsonl"), "--gold", str(tmp_path / "gold.jsonl"),
                "--output", str(tmp_path / "one"), "--write-model", "m", "--url", stub.url,
                "--easy", "1", "--people", "5",
            ],
        )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "gold pairs that are never used for training" in done.output
    kept_pairs = read_pairs(str(tmp_path / "one" / "kept")).frame
    fine = [m[0]["content"].startswith("a fine") for m in kept_pairs["chosen"]]
    assert np.mean(fine) > 0.8
    facts = json.loads((tmp_path / "one" / "round.json").read_text())
    assert facts["round"] == 1
    assert len(read_pairs(str(tmp_path / "one" / "for_people"))) == facts["for_people"] <= 5
