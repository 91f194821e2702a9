from __future__ import annotations

import math
from pathlib import Path

import pytest

from curate import Pipeline, read_pairs, score
from tests.helpers import write_jsonl


def test_weights_are_dcgs_discounts_of_the_whole_list(tmp_path: Path) -> None:
    scores = [2.0, 9.0, 5.0, 5.0, 7.0]
    rows = [
        {"prompt": p, "responses": [f"{p} {n}" for n in range(5)], "scores": scores} for p in "qr"
    ]
    path = str(write_jsonl(tmp_path / "d.jsonl", rows))
    columns = {"prompt": "prompt", "responses": "responses", "scores": "scores"}
    pairs = read_pairs(path, format="columns", columns=columns, ranking={"pairs": "all"})
    frame = score(pairs, "list_weight").frame
    discounts = []
    for row, rank in zip(pairs.frame.to_dicts(), frame["list_weight.rank"], strict=True):
        place = int(row["chosen"][0]["content"].split()[1])
        expected = 1 + sum(other > scores[place] for other in scores)
        assert rank == expected
        discounts.append(1.0 / math.log2(1 + expected))
    mean = sum(discounts) / len(discounts)
    assert frame["list_weight.weight"].to_list() == pytest.approx([d / mean for d in discounts])


def test_pairs_without_a_ranking_say_so() -> None:
    rows = [{"prompt": "p", "chosen": "a", "rejected": "b"}]
    run = Pipeline({"scorers": [{"type": "list_weight"}]}).run(rows)
    assert run.scores["list_weight.status"].to_list() == ["no scores of a ranking"]
    assert run.scores["list_weight.weight"].to_list() == [None]
