"""Labels that follow an answer's author, length or source have no bound; others keep theirs."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from curate.models.heads.noise.label_rules import find_label_rule, rule_of_heads
from curate.models.heads.noise.pair_agreement import pair_agreement
from curate.models.heads.noise.rate import estimate_noise_rate, noise_bound_from_margins
from tests.helpers import pairs_of

COUNT = 400


def labelled(seed: int = 0, **rules: float) -> pl.DataFrame:
    """Answers of two models and lengths at random, labelled by a coin or by the rules.

    Args:
        seed: of all draws.
        **rules: share of the labels that follow `author` (model "strong") or `length` (longer).
    """
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(COUNT):
        texts = ["a" * n for n in rng.choice(np.arange(5, 90), size=2, replace=False)]
        models = list(rng.permutation(["strong", "weak"]))
        winner = int(rng.integers(2))
        if rng.random() < rules.get("author", 0.0):
            winner = models.index("strong")
        elif rng.random() < rules.get("length", 0.0):
            winner = int(len(texts[1]) > len(texts[0]))
        extra = {
            "models": {"of_none": "text"},
            "model_a": models[0],
            "model_b": models[1],
            "chosen_slot": winner + 1,
            "chosen_score": str(winner),
        }
        rows.append(
            {
                "prompt": f"p{i // 2}",
                "chosen": texts[winner],
                "rejected": texts[1 - winner],
                "extra": json.dumps(extra),
                "source": "ab"[i % 2],
            }
        )
    return pairs_of(rows)


def rule_of(pairs: pl.DataFrame) -> Any:
    return find_label_rule(pairs, np.arange(len(pairs)) // 2)


def test_labels_of_a_coin_follow_nothing() -> None:
    assert rule_of(labelled()) is None


def test_the_stronger_model_is_always_chosen() -> None:
    rule = rule_of(labelled(author=0.95))
    assert (rule.name, rule.pairs) == ("author", COUNT)
    assert rule.accuracy == pytest.approx(0.975, abs=0.02)
    assert "can't be estimated" in rule.text


@pytest.mark.parametrize("share", [0.7, 1.0])
def test_the_longer_answer_is_chosen(share: float) -> None:
    rule = rule_of(labelled(length=share))
    assert rule.name == "length"
    assert rule.accuracy == pytest.approx((1 + share) / 2, abs=0.04)
    assert "the longer answer is chosen" in rule.text


def test_a_mild_taste_for_length_is_no_rule() -> None:
    assert rule_of(labelled(length=0.4)) is None


AUTHORS: dict[str, Any] = {
    "by side": lambda c, r, slot: {"chosen_model": c, "rejected_model": r},
    "nested": lambda c, r, slot: {"chosen_answer": {"model": c}, "rejected_answer": {"model": r}},
    "by slot": lambda c, r, slot: {
        "generator_1": (c, r)[slot - 1],
        "generator_2": (r, c)[slot - 1],
    },
    "one slot named": lambda c, r, slot: {"generator_2": (r, c)[slot - 1]},
    "source of each": lambda c, r, slot: {"chosen_source": c, "rejected_source": r},
}


@pytest.mark.parametrize("form", AUTHORS)
def test_authors_are_found_where_formats_keep_them(form: str) -> None:
    rng = np.random.default_rng(1)
    rows = []
    for i in range(200):
        slot = int(rng.integers(1, 3))
        names = AUTHORS[form]("strong", "weak", slot)
        sizes = rng.integers(3, 50, size=2)
        row = {"prompt": f"p{i}", "chosen": "a" * sizes[0], "rejected": "b" * sizes[1]}
        rows.append(row | {"extra": json.dumps(names | {"chosen_slot": slot})})
    rule = rule_of(pairs_of(rows))
    assert (rule.name, rule.accuracy) == ("author", 1.0)


@pytest.mark.parametrize(
    "extra",
    [
        None,
        "{}",
        '{"model_a": null, "model_b": 3, "chosen_slot": 1}',
        '{"winner": "model_a", "reason_1": "text", "chosen_slot": 1, "source_2021": "x"}',
        '{"chosen_model": "one", "rejected_model": "one"}',
        '{"chosen_rating": "good", "rejected_rating": "bad"}',
    ],
)
def test_what_names_no_author_is_no_rule(extra: str | None) -> None:
    rng = np.random.default_rng(2)
    rows = []
    for i in range(100):
        sizes = rng.integers(3, 50, size=2)
        row = {"prompt": f"p{i}", "chosen": "a" * sizes[0], "rejected": "b" * sizes[1]}
        rows.append(row | {"extra": extra})
    assert rule_of(pairs_of(rows)) is None


def test_one_source_that_follows_length() -> None:
    sampled = labelled(2, length=1.0).with_columns(source=pl.lit("made"))
    pairs = pl.concat([labelled(0), labelled(1), sampled])
    rule = find_label_rule(pairs, np.arange(len(pairs)))
    assert rule is not None
    assert (rule.name, rule.pairs) == ("source", COUNT)
    assert "in source 'made'" in rule.text


def test_sources_that_follow_opposite_lengths() -> None:
    longer = labelled(1, length=1.0).with_columns(source=pl.lit("x"))
    shorter = labelled(2, length=1.0).with_columns(
        source=pl.lit("y"), chosen="rejected", rejected="chosen"
    )
    rule = find_label_rule(pl.concat([longer, shorter]), np.arange(2 * COUNT))
    assert rule is not None
    assert rule.name == "source"


def test_a_rule_leaves_no_bound_and_says_why() -> None:
    rng = np.random.default_rng(0)
    margins = np.abs(rng.normal(size=COUNT)) * np.where(rng.random(COUNT) < 0.75, 1.0, -1.0)
    groups = np.arange(COUNT) // 2
    assert estimate_noise_rate(margins, labelled(), groups).high is not None
    estimate = estimate_noise_rate(margins, labelled(author=1.0), groups)
    assert (estimate.rate, estimate.low, estimate.high) == (None, None, None)
    assert estimate.text == (
        "no estimate: labels follow the answer's author (model) in 100%, so label noise can't be "
        "estimated from them"
    )


@pytest.mark.parametrize(("share", "is_rule"), [(0.75, False), (0.97, True)])
def test_heads_that_predict_nearly_all_labels_see_a_rule(share: float, is_rule: bool) -> None:
    margins = np.where(np.arange(COUNT) < share * COUNT, 1.0, -1.0)
    assert (rule_of_heads(pair_agreement(margins)) is not None) == is_rule
    assert (noise_bound_from_margins(margins).high is None) == is_rule


def test_few_pairs_show_no_rule() -> None:
    assert rule_of(labelled(author=1.0).head(20)) is None
    assert rule_of(labelled().head(0)) is None


def test_people_who_go_by_the_same_rule_agree_and_are_no_evidence() -> None:
    for share, is_rule in ((1.0, True), (0.0, False)):
        one = labelled(length=share)
        votes = pl.concat([one.with_columns(annotator=pl.lit(name)) for name in "abc"])
        margins = np.random.default_rng(0).normal(0.5, 1.0, len(votes))
        estimate = estimate_noise_rate(margins, votes, np.tile(np.arange(COUNT) // 2, 3))
        assert (estimate.rule is not None) == is_rule
        assert ("annotators err independently" in estimate.text) != is_rule
