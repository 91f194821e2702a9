from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
from typer.testing import CliRunner

from curate import read_pairs
from curate.cli.app import app
from curate.derive.neutral import neutral_batches, neutral_pairs
from tests.helpers import pairs_of, write_jsonl

ROWS = [
    {"prompt": f"q{n % 40}", "chosen": f"* good {n}", "rejected": f"plain {n}"} for n in range(60)
]


def text(turns: list[dict[str, str]]) -> str:
    return turns[-1]["content"]


def test_each_pair_gives_the_three_of_rrm_with_answers_of_another_prompt() -> None:
    pairs = pairs_of(ROWS)
    derived = neutral_pairs(pairs, np.random.default_rng(0)).pairs
    assert len(derived) == 3 * len(pairs)
    by_id = {row["pair_id"]: row for row in pairs.to_dicts()}
    for row in derived.to_dicts():
        facts = json.loads(row["extra"])
        source, partner = by_id[facts["made_from"]], by_id[facts["answers_from"]]
        assert text(source["prompt"]) != text(partner["prompt"])
        assert row["prompt"] == source["prompt"]
        expected = {
            "chosen": (source["chosen"], partner["chosen"], False),
            "rejected": (source["rejected"], partner["chosen"], False),
            "tie": (partner["chosen"], partner["rejected"], True),
        }[facts["kind"]]
        assert (row["chosen"], row["rejected"], row["is_tie"]) == expected


def test_a_trait_of_all_chosen_answers_no_longer_predicts_the_label() -> None:
    pairs = pairs_of(ROWS)
    derived = neutral_pairs(pairs, np.random.default_rng(1)).pairs
    all_pairs = pl.concat([pairs, derived]).filter(~pl.col("is_tie"))
    differences = [
        text(row["chosen"]).startswith("*") - text(row["rejected"]).startswith("*")
        for row in all_pairs.to_dicts()
    ]
    differences_before = [
        text(row["chosen"]).startswith("*") - text(row["rejected"]).startswith("*")
        for row in pairs.to_dicts()
    ]
    assert np.mean(differences_before) == 1.0
    assert np.mean(differences) == 0.0


def test_ties_and_a_single_prompt_give_no_pair() -> None:
    one_prompt = pairs_of([{"prompt": "q", "chosen": "a", "rejected": str(n)} for n in range(5)])
    tied = pairs_of(ROWS[:2]).with_columns(is_tie=pl.lit(True))
    (derived,) = neutral_batches([pl.concat([one_prompt, tied])])
    assert derived.pairs.is_empty()
    assert derived.left_out == {"a tie, or a single answer": 2, "no other prompt in the batch": 5}


def test_command(tmp_path: Path) -> None:
    data, out = write_jsonl(tmp_path / "d.jsonl", ROWS), tmp_path / "out"
    done = CliRunner().invoke(app, ["derive", str(data), "--from", "neutral", "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert len(read_pairs(str(out / "pairs"))) == 180
    assert json.loads((out / "derive.json").read_text())["from"] == "neutral"
