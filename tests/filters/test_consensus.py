"""Several votes become one pair, by each rule, and nothing is lost."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from curate import CurateError
from curate.filters.consensus import Consensus
from curate.filters.exact_duplicates import ExactDuplicates
from curate.pipeline.run import Pipeline
from curate.read.pairs import Pairs
from curate.steps.context import Context
from tests.helpers import pairs_of


def vote(prompt: str, label: str, annotator: str | None) -> dict[str, Any]:
    """Answers a and b; the label is the better one, or "tie"."""
    better, worse = ("b", "a") if label == "b" else ("a", "b")
    row = {"prompt": prompt, "chosen": better, "rejected": worse, "annotator": annotator}
    return row | {"is_tie": label == "tie"}


def votes(prompt: str, labels: str) -> list[dict[str, Any]]:
    """One vote a letter, by person 1, 2...; "t" is a tie."""
    return [vote(prompt, "tie" if v == "t" else v, f"p{i}") for i, v in enumerate(labels)]


def kept_and_dropped(
    rows: list[dict[str, Any]], **parameters: Any
) -> tuple[pl.DataFrame, pl.DataFrame]:
    result = Pipeline({"filters": [{"type": "consensus"} | parameters]}).run(Pairs(pairs_of(rows)))
    assert len(result.kept) + len(result.dropped) == len(rows)
    return result.kept, result.dropped


def outcome_of(pair: dict[str, Any]) -> tuple[str, bool, float | None]:
    return pair["chosen"][0]["content"], pair["is_tie"], pair["strength"]


@pytest.mark.parametrize(
    ("labels", "outcome"),
    [
        ("aaa", ("a", False, 1.0)),
        ("baa", ("a", False, pytest.approx(1 / 3))),
        ("abb", ("b", False, pytest.approx(1 / 3))),
        ("ab", ("a", True, 0.0)),
        ("abt", ("a", True, 0.0)),
        ("att", ("a", True, pytest.approx(1 / 3))),
        ("tt", ("a", True, 0.0)),
        ("at", ("a", False, 0.5)),
        ("bbta", ("b", False, 0.25)),
    ],
)
def test_the_majority(labels: str, outcome: Any) -> None:
    pairs, dropped = kept_and_dropped(votes("q", labels))
    (pair,) = pairs.to_dicts()
    assert outcome_of(pair)[:2] == outcome[:2]
    if not pair["is_tie"]:
        assert pair["strength"] == outcome[2]
    assert set(dropped["drop_reason"]) == {f"voted with {pair['pair_id']}"}
    extra = json.loads(pair["extra"])
    assert extra["annotators"] == [f"p{i}" for i in range(len(labels))]
    counts = extra["votes"]
    assert sum(counts.values()) == len(labels)
    assert counts["ties"] == labels.count("t")
    if not pair["is_tie"]:
        winner = pair["chosen"][0]["content"]
        assert counts["for"] == labels.count(winner)
    assert pair["annotator"] is None


def test_even_votes_can_be_dropped() -> None:
    pairs, dropped = kept_and_dropped([*votes("q", "ab"), *votes("r", "aab")], even="drop")
    assert len(pairs) == 1
    reasons = dropped["drop_reason"].to_list()
    assert reasons.count("the votes on these two answers are even") == 2


def test_pairs_of_one_person_stay_as_they_are() -> None:
    rows = [vote("q", "a", "x"), vote("r", "b", "y"), vote("s", "a", None), vote("s", "b", None)]
    rows[0]["strength"] = 2.0
    pairs, dropped = kept_and_dropped(rows)
    assert len(dropped) == 0
    assert pairs["annotator"].to_list() == ["x", "y", None, None]
    assert pairs["strength"].to_list()[0] == 2.0
    assert pairs["extra"].null_count() == 4


def test_of_one_persons_votes_the_first_counts() -> None:
    rows = [vote("q", "a", "x"), vote("q", "b", "x"), vote("q", "b", "x"), vote("q", "a", "y")]
    pairs, _ = kept_and_dropped(rows)
    (pair,) = pairs.to_dicts()
    assert outcome_of(pair) == ("a", False, 1.0)
    assert json.loads(pair["extra"])["votes"] == {"for": 2, "against": 0, "ties": 0}


def test_contradictions_without_annotators_are_told() -> None:
    frame = pairs_of([vote("s", "a", None), vote("s", "b", None)])
    step_context = Context().for_step()
    Consensus().apply(frame, step_context)
    assert "2 pairs without annotators contradict each other" in step_context.warnings[0]


def test_dawid_skene_trusts_people_who_agree_with_others() -> None:
    # "p0" and "p1" are right on all of thirty; "p2" to "p4" vote by a fixed, useless pattern.
    rows = []
    for i in range(30):
        truth = "ab"[i % 2]
        useless = "ab"[(i // 3) % 2]
        rows += votes(f"q{i}", truth + truth + useless * 3)
    by_count, _ = kept_and_dropped(rows, by="majority")
    agreeing = [v for i in range(60) for v in votes(f"z{i}", "ab"[i % 2] * 2)]
    weighed, _ = kept_and_dropped([*rows, *agreeing], by="dawid_skene")
    truth = {f"q{i}": "ab"[i % 2] for i in range(30)}

    def right(pairs: pl.DataFrame) -> int:
        return sum(
            truth[p["prompt"][0]["content"]] == p["chosen"][0]["content"] and not p["is_tie"]
            for p in pairs.to_dicts()
            if p["prompt"][0]["content"] in truth
        )

    assert right(by_count) <= 20
    assert right(weighed) == 30


def test_the_posterior_decides_between_even_votes() -> None:
    frame = pairs_of([*votes("q", "ab"), *votes("r", "aab")])
    # Each vote's own posterior: the vote for b is believed in both.
    frame = frame.with_columns(pl.Series("p", [0.2, 0.9, 0.1, 0.1, 0.9]))
    result = Consensus(by="label_em", column="p").apply(frame, Context().for_step())
    assert result.keep.to_list() == [False, True, False, False, True]
    unknown = frame.with_columns(p=pl.lit(None, dtype=pl.Float64))
    result = Consensus(by="label_em", column="p").apply(unknown, Context().for_step())
    # Nothing known: the majority.
    assert result.keep.to_list() == [True, False, True, False, False]
    assert result.added is not None
    assert result.added["status"].to_list() == ["even", "even", "ok", "ok", "ok"]


def test_names_with_quotes_are_json() -> None:
    rows = [vote("q", "a", 'the "boss"'), vote("q", "a", "x\\y")]
    rows[0]["extra"] = '{"k":1}'
    pairs, _ = kept_and_dropped(rows)
    extra = json.loads(pairs["extra"][0])
    assert extra == {
        "k": 1,
        "annotators": ['the "boss"', "x\\y"],
        "votes": {"for": 2, "against": 0, "ties": 0},
    }


def test_the_better_of_contradicting_pairs() -> None:
    rows = [vote("s", "a", None), vote("s", "b", None), vote("s", "b", None), vote("t", "a", None)]
    frame = pairs_of(rows).with_columns(pl.Series("score", [0.1, 0.7, 0.2, 0.0]))
    best = ExactDuplicates(contradictions="best", order_by="score")
    result = best.apply(frame, Context().for_step())
    assert result.keep.to_list() == [False, True, False, True]
    least = ExactDuplicates(contradictions="best", order_by="score", prefer="min")
    assert least.apply(frame, Context().for_step()).keep.to_list() == [True, False, False, True]
    step_context = Context().for_step()
    assert ExactDuplicates().apply(frame, step_context).keep.to_list() == [True, True, False, True]
    assert "3 pairs without annotators contradict" in step_context.warnings[0]
    filters = [{"type": "exact_duplicates", "contradictions": "best"}]
    with pytest.raises(CurateError, match="go together"):
        Pipeline({"filters": filters})
