"""The audit's statistics against naive counts and simulated truth."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from curate.auditing.agreement import audit_agreement
from curate.auditing.biases import audit_biases
from curate.auditing.noise import (
    NoiseFindings,
    audit_noise,
    audited_evidence,
    wrong_label_probability,
)
from curate.auditing.structure import (
    PreferenceStructure,
    PromptLeakage,
    audit_leakage,
    audit_structure,
)
from curate.cli.app import app
from curate.models.heads.noise.learnability import NOTHING_LEARNT
from curate.models.people.tournament import build_tournaments
from curate.steps.context import Context
from tests.helpers import PANDALM_SAMPLE, Simulation, context_of, numbered_pairs, pairs_of, simulate

BASE = {"prompt": "p", "chosen": "a", "rejected": "b"}


def vote(winner: str, loser: str, **columns: object) -> dict[str, object]:
    return {"prompt": "p", "chosen": winner, "rejected": loser, **columns}


def test_a_cycle_of_three_is_found_and_a_contradiction_is_none() -> None:
    rows = [
        vote("a", "b"),
        vote("b", "c"),
        vote("c", "a"),
        vote("a", "d"),
        vote("a", "b", prompt="q"),
        vote("b", "a", prompt="q"),
        vote("a", "b", prompt="r"),
        vote("b", "c", prompt="r"),
        vote("a", "c", prompt="r"),
        vote("c", "a", prompt="r", is_tie=True),
    ]
    pairs = pairs_of(rows)
    assert build_tournaments(pairs).on_cycle.tolist() == [True] * 3 + [False] * 7
    assert audit_structure(pairs) == PreferenceStructure(2, 3, 1, 0.2103)


def test_agreement_equals_counts_by_hand() -> None:
    rows = []
    for i in range(10):
        labels = "aab" if i < 4 else "aaa"
        rows += [
            vote(x, "b" if x == "a" else "a", prompt=f"p{i}", annotator=f"w{k}")
            for k, x in enumerate(labels)
        ]
    rows.append(vote("a", "b", prompt="alone", annotator="w0"))
    findings = audit_agreement(pairs_of(rows))
    assert findings.pairs_with_several_votes == 10
    assert findings.unanimous == pytest.approx(0.6)
    # Nominal alpha: 1 - (n - 1) sum of unequal pairs / sum over values of n_c n_k.
    disagree = 4 * (2 * 2) / 2 / 30
    expected = 2 * 26 * 4 / (30 * 29)
    assert findings.krippendorff_alpha == pytest.approx(1 - disagree / expected, abs=0.02)
    assert findings.consensus_contradicts == pytest.approx(4 / 30)
    assert findings.by_annotator is not None
    first = findings.by_annotator[0]
    assert (first.worker, first.votes, first.contradicted) == ("w2", 10, pytest.approx(0.4))


def test_agreement_without_shared_pairs() -> None:
    assert audit_agreement(numbered_pairs(8)).to_json() == {"pairs_with_several_votes": 0}


def test_biases_are_shares_among_pairs_that_differ() -> None:
    rows = [vote("long text", "x", prompt=str(i)) for i in range(30)]
    rows += [vote("x", "long text", prompt=str(i)) for i in range(30, 40)]
    rows += [vote("same", "size", prompt="40"), vote("b", "aaa", prompt="41", is_tie=True)]
    pairs = pairs_of([{**r, "extra": '{"chosen_slot":1}'} for r in rows])
    findings = audit_biases(pairs)
    length = findings.preferred_has_more[0]
    assert (length.trait, length.pairs, length.share) == ("log characters", 40, 0.75)
    assert length.low is not None
    assert length.high is not None
    assert length.low < 0.75 < length.high
    assert findings.position is not None
    assert findings.position.share == 1.0


def test_leakage_ignores_case_and_white_space() -> None:
    mine = pairs_of([{**BASE, "prompt": p} for p in ("One  two", "three", "Three")])
    theirs = pairs_of([{**BASE, "prompt": p} for p in ("one two", "four")])
    assert audit_leakage(mine, theirs) == PromptLeakage(2, 1, 1)


@pytest.mark.slow
def test_the_bound_holds_and_agreement_is_reported_by_annotator() -> None:
    sim = simulate(2500, flips=0.25)
    half = pl.int_range(pl.len()) % 2 == 0
    pairs = sim.pairs.with_columns(annotator=pl.when(half).then(pl.lit("x")).otherwise(pl.lit("y")))
    findings = audit_noise(pairs, sim.context)
    assert findings.estimate is not None
    assert findings.estimate.high is not None
    assert findings.estimate.high > 0.25
    assert findings.problem is None
    assert [group.agreement.pairs for group in findings.by_annotator] == [1250, 1250]
    assert findings.by_source == ()


@pytest.mark.slow
def test_labels_by_chance_are_called_so() -> None:
    sim = simulate(600, flips=0.5)
    findings = audit_noise(sim.pairs, sim.context)
    assert NOTHING_LEARNT in (findings.problem or "")
    assert findings.estimate is not None
    assert findings.estimate.high is None
    alone = numbered_pairs(5, prompts=1)
    assert "too few prompts" in (audit_noise(alone, context_of(alone, {}, 4)).problem or "")


@pytest.mark.slow
def test_the_command_on_the_sample(tmp_path: Path) -> None:
    out = tmp_path / "audit.json"
    arguments = ["audit", str(PANDALM_SAMPLE), "-o", str(out), "--against", str(PANDALM_SAMPLE)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    for text in ("estimated: Wrong labels:", "Krippendorff", "first slot", "By annotator"):
        assert text in result.output
    findings = json.loads(out.read_text())
    assert findings["leakage"]["shared_prompts"] == findings["leakage"]["prompts"]
    assert "hoelder" not in out.read_text().lower()


@pytest.mark.slow
def test_the_split_of_labels_is_told_on_request(tmp_path: Path) -> None:
    out, page = tmp_path / "a.json", tmp_path / "a.html"
    done = CliRunner().invoke(
        app, ["audit", str(PANDALM_SAMPLE), "--limit", "90", "-o", str(out), "--disagreement"]
    )
    assert done.exit_code == 0, done.output
    shares = json.loads(out.read_text())["disagreement"]["shares"]
    assert set(shares) == {"shared", "taste", "cycle", "flip"}
    assert sum(shares.values()) == pytest.approx(1.0, abs=1e-3)
    assert "Kinds of labels" in done.output
    output = CliRunner().invoke(app, ["report", str(out), "--output", str(page)])
    assert output.exit_code == 0, output.output
    assert "Kinds of labels" in page.read_text()


def test_why_nothing_can_be_held_out() -> None:
    same = pairs_of([vote("a", "a", prompt=str(i)) for i in range(20)])
    problem = "no pair has two different answers and a preferred one"
    assert audit_noise(same, Context()) == NoiseFindings(problem)
    one = pairs_of([vote(str(i), f"other {i}") for i in range(20)])
    assert "too few prompts" in (audit_noise(one, Context()).problem or "")


def scored(sim: Simulation, accuracy: float, seed: int = 0) -> pl.DataFrame:
    """The pairs with scores of both answers in the file, right with this probability."""
    rng = np.random.default_rng(seed)
    sides = np.where(rng.random(len(sim.pairs)) < accuracy, 1, -1) * np.where(sim.flipped, -1, 1)
    extra = [json.dumps({"chosen_score": int(side), "rejected_score": 0}) for side in sides]
    return sim.pairs.with_columns(extra=pl.Series(extra))


def test_scores_of_the_file_are_evidence_with_their_accuracy() -> None:
    sim = simulate(1500, flips=0.2, seed=3)
    pairs = scored(sim, 0.8)
    context = replace(sim.context, evidence=audited_evidence(pairs, None))
    findings = audit_noise(pairs, context)
    (source,) = findings.evidence
    assert source.name == "score_gap"
    assert source.low is not None
    assert source.high is not None
    assert source.low < 0.8 < source.high


def test_predictions_do_not_know_what_people_found() -> None:
    sim = simulate(300, flips=0.3, seed=3)
    judgements = np.where(np.arange(300) < 100, np.where(sim.flipped, -1, 1), 0).astype(np.int8)
    plain = wrong_label_probability(sim.pairs, sim.context)
    judged_context = replace(sim.context, evidence=audited_evidence(sim.pairs, judgements))
    np.testing.assert_array_equal(wrong_label_probability(sim.pairs, judged_context), plain)


@pytest.mark.parametrize("suffix", ["txt", "jsonl"])
def test_prompts_alone_can_be_searched(tmp_path: Path, suffix: str) -> None:
    rows = [{"prompt": f"What is {n} + 2?", "completion": "4"} for n in range(4)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    texts = ["what is  1 + 2?", "What is 9 + 9?"]
    lines = texts if suffix == "txt" else [json.dumps({"question": text}) for text in texts]
    other = tmp_path / f"evaluation.{suffix}"
    other.write_text("\n".join(lines))
    out = tmp_path / "audit.json"
    words = ["audit", str(tmp_path / "a.jsonl"), "-o", str(out), "--against", str(other)]
    assert CliRunner().invoke(app, words).exit_code == 0
    leakage = json.loads(out.read_text())["leakage"]
    assert leakage == {"prompts": 4, "shared_prompts": 1, "pairs_of_shared_prompts": 1}


def test_texts_without_prompts_share_none(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "Once."}\n{"text": "Twice."}\n')
    out, data = tmp_path / "audit.json", str(tmp_path / "a.jsonl")
    assert (
        CliRunner().invoke(app, ["audit", data, "-o", str(out), "--against", data]).exit_code == 0
    )
    assert json.loads(out.read_text())["leakage"]["shared_prompts"] == 0
