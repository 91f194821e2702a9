"""The rules that make pairs of rankings, against a loop over all pairs of answers."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from curate import read_pairs

RULES: list[dict[str, Any]] = [
    {},
    {"min_gap": 2.0},
    {"chosen_min": 6.0},
    {"rejected_max": 3.0},
    {"max_length_ratio": 1.3},
    {"chosen_min": 5.0, "rejected_max": 4.0, "min_gap": 1.0, "max_length_ratio": 1.6},
]


def rankings(count: int = 40, seed: int = 0) -> list[dict[str, Any]]:
    """Rankings of two to six answers of other lengths; no two scores of one are equal."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        answers = int(rng.integers(2, 7))
        scores = rng.permutation(10)[:answers] + 0.5
        lengths = rng.integers(20, 60, answers)
        responses = [f"{i} " + "x" * n for i, n in enumerate(lengths)]
        rows.append({"prompt": f"Q{number}", "responses": responses, "scores": scores.tolist()})
    return rows


def allowed_pairs(row: dict[str, Any], rule: dict[str, Any]) -> list[tuple[float, float]]:
    """The scores of each two answers that meet the conditions, best chosen first."""
    answers = sorted(zip(row["scores"], row["responses"], strict=True), reverse=True)
    pairs = []
    for (high, better), (low, worse) in itertools.combinations(answers, 2):
        short, long = sorted((len(better), len(worse)))
        if (
            high - low >= rule.get("min_gap", 0.0)
            and high >= rule.get("chosen_min", -np.inf)
            and low <= rule.get("rejected_max", np.inf)
            and long <= short * rule.get("max_length_ratio", np.inf)
        ):
            pairs.append((high, low))
    return pairs


def pair_scores(rows: list[dict[str, Any]], rule: dict[str, Any]) -> dict[str, list[Any]]:
    """The scores of the pairs that are read, by prompt."""
    frame = read_pairs(rows, ranking=rule).frame
    pairs: dict[str, list[Any]] = {}
    for pair in frame.iter_rows(named=True):
        scores = pair["extra"].partition('"scores":[')[2].partition("]")[0].split(",")
        pairs.setdefault(pair["prompt"][0]["content"], []).append(tuple(map(float, scores)))
    return pairs


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: "+".join(rule) or "none")
def test_pairs_are_those_of_a_loop(rule: dict[str, Any]) -> None:
    rows = rankings()
    allowed = {row["prompt"]: pairs for row in rows if (pairs := allowed_pairs(row, rule))}
    assert pair_scores(rows, {"pairs": "all", **rule}) == allowed
    widest = {prompt: [max(pairs, key=lambda p: p[0] - p[1])] for prompt, pairs in allowed.items()}
    assert pair_scores(rows, {"pairs": "best_worst", **rule}) == widest
    with_best = {
        p: [pair for pair in pairs if pair[0] == pairs[0][0]] for p, pairs in allowed.items()
    }
    assert pair_scores(rows, {"pairs": "best_rest", **rule}) == with_best
    random_pairs = pair_scores(rows, {"pairs": "best_random", **rule})
    assert random_pairs.keys() == with_best.keys()
    for prompt, pairs in random_pairs.items():
        assert len(pairs) == 1
        assert pairs[0] in with_best[prompt]


def test_most_pairs_of_a_prompt_are_drawn_by_the_seed() -> None:
    rows = rankings()
    draws = [pair_scores(rows, {"pairs": "all", "max_pairs": 2, "seed": s}) for s in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    for row in rows:
        allowed = allowed_pairs(row, {})
        pairs = draws[0][row["prompt"]]
        assert len(pairs) == min(2, len(allowed))
        assert [pair for pair in allowed if pair in pairs] == pairs


def test_a_ranking_without_an_allowed_pair_is_listed_with_the_conditions() -> None:
    rows = rankings(2)
    rows[0]["scores"] = [50.0 - i for i in range(len(rows[0]["scores"]))]
    pairs = read_pairs(rows, ranking={"chosen_min": 40.0, "min_gap": 1.0})
    assert len(pairs.frame) == 1
    (reason,) = pairs.rejected["reason"]
    assert reason.endswith("the conditions of input.ranking: min_gap, chosen_min")
