"""What was counted, what is estimated, what is not known, what to do next; each case by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from curate import CurateError
from curate.auditing.biases import LabelBiases
from curate.auditing.gold import GoldRate
from curate.auditing.noise import NoiseFindings
from curate.auditing.trait_share import TraitShare
from curate.cli.saved_pages import write_saved_page
from curate.models.heads.noise.estimate import NoiseEstimate
from curate.report.run_verdict import run_verdict, share_shifts
from curate.steps.next_steps import next_step_by_judging
from curate.steps.step_record import StepRecord
from curate.write.manifest import RowCounts
from tests.helpers import audit_report, dataset_summary

LEARNT = {"ok": True, "text": "heads agree"}
CHANCE = {"ok": False, "text": "held-out heads agree with the labels on 51.0% of 100 prompts"}


BIASES = LabelBiases(
    (
        TraitShare("words", 900, 0.7, 0.65, 0.75),
        TraitShare("digits", 3, 0.9, 0.2, 1.0),
        TraitShare("lists", 0, None, None, None),
    )
)
COUNTS = dataset_summary(pairs=1000, distinct_prompts=400, rows_rejected=2, contradicted=7)


def noise(
    rate: float | None, low: float | None, high: float | None, text: str, problem: str | None = None
) -> NoiseFindings:
    return NoiseFindings(problem, estimate=NoiseEstimate(rate, low, high, text))


def gold_rate(rate: float | None, low: float | None, high: float | None, text: str) -> GoldRate:
    counts = {"judged_pairs": 90, "labelled_pairs": 900, "verdicts_without_a_vote": 0}
    return GoldRate(rate, low, high, text, sample_size=None, resume=None, **counts)


def test_a_rate_that_is_estimated() -> None:
    estimated = noise(0.1, 0.08, 0.13, "10.0%, between 8 and 13 %")
    verdict = audit_report(data=COUNTS, noise=estimated, biases=BIASES).verdict
    assert verdict.sure == (
        "1,000 pairs over 400 prompts; 2 rows skipped; 7 labels contradict another label; the "
        "preferred answer has more of 'words' in 70% of 900 pairs."
    )
    assert verdict.estimated == "Wrong labels: 10.0%, between 8 and 13 %."
    assert "better model" in verdict.unknown
    assert "curate bench" in verdict.next
    assert [title for title, _ in verdict.lines] == ["counted", "estimated", "unknown", "next"]


def test_a_bound_alone() -> None:
    bound = "at most 21%, if no kind of pair is wrong more often than right"
    bounded = noise(None, 0.0, 0.21, bound)
    verdict = audit_report(noise=bounded, dataset="my prefs.jsonl", sampled="a sample").verdict
    assert "21%" not in verdict.sure
    assert verdict.estimated == f"Wrong labels: {bound}. From a sample."
    assert "below that bound" in verdict.unknown
    assert verdict.next == next_step_by_judging("my prefs.jsonl")


def test_nothing_is_learnt_unless_judged_pairs_give_a_rate() -> None:
    silent = NoiseFindings("heads learn nothing")
    verdict = audit_report(noise=silent).verdict
    assert not verdict.estimated
    assert verdict.unknown == "How many labels are wrong, and which: heads learn nothing."
    gold = gold_rate(0.01, 0.005, 0.015, "1.0%")
    verdict = audit_report(noise=silent, gold=gold).verdict
    assert verdict.estimated == "Wrong labels: 1.0%."
    assert verdict.unknown == "Which labels are wrong: heads learn nothing."
    assert "Few labels are wrong" in verdict.next


def test_labels_that_follow_a_rule_have_no_rate() -> None:
    text = "no estimate: labels follow the answer's author (model) in 97%, so label noise can't be"
    verdict = audit_report(noise=noise(None, None, None, text)).verdict
    assert verdict.estimated == f"Wrong labels: {text}."
    assert verdict.unknown == "How many labels are wrong."
    assert "curate route DATA --random 50" in verdict.next


def test_judged_pairs_without_a_rate_leave_that_of_the_heads() -> None:
    gold = gold_rate(None, None, None, "no rate: too few")
    verdict = audit_report(noise=noise(None, 0.0, 0.3, "at most 30%"), gold=gold).verdict
    assert verdict.estimated == "Wrong labels: at most 30%."


def test_the_first_slot_is_said_to_win() -> None:
    slot = TraitShare("first slot", 400, 0.8, 0.75, 0.85)
    verdict = audit_report(biases=replace(BIASES, position=slot)).verdict
    assert "the first slot wins in 80% of 400 pairs" in verdict.sure


def step(name: str, kind: str, rows: tuple[int, int] = (10, 10), **facts: Any) -> StepRecord:
    return StepRecord(name, kind, *rows, 0.0, facts)


def test_a_run() -> None:
    bias = {"longer": [0.45, 0.61], "refuses": [None, None], "source": {"a": [0.5, 0.4]}}
    estimate = {"rate": None, "low": 0.0, "high": 0.2, "text": "at most 20 %"}
    steps = [
        step("label_em", "score", noise=estimate, learnt=LEARNT),
        step("ties", "filter", (100, 90)),
        step("drop_wrong", "filter", (90, 60), bias=bias),
        step("sample", "filter", (60, 60)),
    ]
    verdict = run_verdict(RowCounts(100, 60, 40), steps, "out")
    assert verdict.sure == (
        "60 of 100 pairs are kept; 40 dropped, by drop_wrong (30), ties (10); drop_wrong: chosen "
        "is longer in 45% before, 61% after."
    )
    assert verdict.estimated == "Wrong labels before cleaning: at most 20 %."
    assert "below that bound" in verdict.unknown
    assert verdict.next == next_step_by_judging("out")
    assert [(s.trait, s.before, s.after) for s in share_shifts(steps)] == [
        ("chosen is longer", 0.45, 0.61),
        ("source a", 0.5, 0.4),
    ]


def test_a_run_whose_heads_learn_nothing_and_one_that_keeps_nothing() -> None:
    steps = [step("reward_margin", "score", learnt=CHANCE)]
    verdict = run_verdict(RowCounts(10, 0, 10), steps)
    assert "on 51.0% of 100 prompts, which may be chance (reward_margin)" in verdict.unknown
    assert verdict.next.startswith("No pair is left")
    no_estimate = {"rate": None, "low": None, "high": None, "text": f"none: {CHANCE['text']}"}
    steps = [step("noise_score", "score", learnt=CHANCE, noise=no_estimate)]
    verdict = run_verdict(RowCounts(10, 9, 1), steps)
    assert (verdict.estimated, "may be chance (noise_score)" in verdict.unknown) == ("", True)
    low_estimate = {"rate": 0.05, "low": 0.01, "high": 0.09, "text": "5.0%"}
    verdict = run_verdict(RowCounts(10, 9, 1), [step("label_em", "score", noise=low_estimate)])
    assert verdict.estimated == "Wrong labels before cleaning: 5.0%."
    assert "no scorer of this run" in run_verdict(RowCounts(1, 1, 0), []).unknown


def test_evidence_and_judged_pairs_of_a_run() -> None:
    rate = {"rate": 0.4, "low": 0.26, "high": 0.55, "text": "40%, if the 50 were drawn at random"}
    evidence = [{"text": "judge.margin: right in 79 to 84 %"}]
    facts = {"noise": rate, "learnt": CHANCE, "evidence": evidence, "judged_pairs": 50}
    verdict = run_verdict(RowCounts(9, 8, 1), [step("label_em", "score", **facts)])
    assert verdict.estimated == (
        "Wrong labels before cleaning: 40%, if the 50 were drawn at random. Accuracy of the "
        "evidence, if flips are random: judge.margin: right in 79 to 84 %."
    )
    # People and a judge say which labels are wrong, though heads do not.
    assert "may be chance" not in verdict.unknown
    assert "curate bench DATA" in verdict.next
    steps = [step("label_em", "score", **facts), step("reward_margin", "score", learnt=CHANCE)]
    verdict = run_verdict(RowCounts(9, 8, 1), steps, data="my prefs.jsonl")
    assert "may be chance" not in verdict.unknown
    assert verdict.next.endswith("\n  curate bench 'my prefs.jsonl' --noise none")


def test_what_merges_and_flips_is_counted_apart() -> None:
    steps = [
        step("consensus", "filter", (10, 7), merged=2),
        step("signed_weights", "filter", (7, 7), flipped=3),
    ]
    assert run_verdict(RowCounts(10, 7, 3), steps).sure == (
        "7 of 10 pairs are kept; 2 merged into others; 1 dropped, by consensus (1); 3 labels "
        "flipped."
    )


def test_sections_hold_only_what_was_found() -> None:
    section, structure = audit_report(biases=BIASES).sections
    assert structure.title == "Structure"
    assert section.title == "Traits that predict the preferred answer"
    assert section.rows == [
        ("words", "70.0%", "65.0% - 75.0%", "900"),
        ("digits", "90.0%", "20.0% - 100.0%", "3"),
    ]


def test_a_bench_as_a_page(tmp_path: Path) -> None:
    key = {"dataset": "<b>set</b>", "pattern": "as labelled", "rate": 0.0}
    row = key | {
        "method": "drop_wrong", "gain": 0.01, "gain_low": -0.01, "gain_high": 0.03, "p": 0.3,
        "verdict": "helps", "downstream_accuracy": 0.6, "auroc": None, "flagged": 0.1,
    }  # fmt: skip
    bench = {
        "advice": [
            {
                "key": key,
                "method": "drop_wrong",
                "proven": False,
                "sentences": ["<i>said</i>"],
                "lines": "filters:\n  - {}",
                "next_step": "judge",
            }
        ],
        "summary": [row, row | {"method": "keep all", "gain": 0.0, "pattern": "other"}],
        "noise": {
            "<b>set</b>": {
                "text": "at most 9 %",
                "judged_pairs": 40,
                "rate": 0.05,
                "low": 0.01,
                "high": 0.09,
            }
        },
    }
    (tmp_path / "bench.json").write_text(json.dumps(bench))
    page = write_saved_page(tmp_path / "bench.json").read_text()
    assert "&lt;b&gt;set&lt;/b&gt;: labels as given" in page
    assert "<i>said" not in page
    assert "at most 9 %" in page
    assert "40 reviewed pairs" in page
    assert 'id="gains-0"' in page
    (tmp_path / "bench.json").write_text('{"advice": 3}')
    with pytest.raises(CurateError, match="no findings that have a page"):
        write_saved_page(tmp_path / "bench.json")
