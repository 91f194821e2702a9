"""Instructions that only the chosen answer follows, checked by the reader of test_instructions."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
from typer.testing import CliRunner

from curate import read_pairs
from curate.cli.app import app
from curate.derive.contrasts import contrast_batches
from tests.curate.derive.test_instructions import follows, instructions
from tests.helpers import pairs_of


def test_the_chosen_answer_follows_what_the_rejected_one_breaks(data: Path) -> None:
    pairs = read_pairs(str(next(data.glob("**/dpo_en*"))), on_error="skip").frame
    kinds: set[str] = set()
    for count in (1, 3):
        (derived,) = contrast_batches([pairs], count, seed=count)
        assert len(derived.pairs) > len(pairs) // 3
        by_id = {row["pair_id"]: row for row in pairs.to_dicts()}
        for row in derived.pairs.to_dicts():
            facts = json.loads(row["extra"])
            source = by_id[facts["made_from"]]
            assert (row["chosen"], row["rejected"]) == (source["chosen"], source["rejected"])
            sentences = instructions(row["prompt"][-1]["content"])
            assert 1 <= len(sentences) == len(facts["kinds"]) <= count
            for sentence in sentences:
                assert follows(row["chosen"][0]["content"], sentence)
                assert not follows(row["rejected"][0]["content"], sentence)
            kinds |= set(facts["kinds"])
    assert len(kinds) >= 7


def test_answers_that_nothing_tells_apart_give_no_pair() -> None:
    text = " ".join(["alpha bravo charlie delta"] * 8)
    pairs = pairs_of([{"prompt": "p", "chosen": text, "rejected": text + " alpha"}])
    (derived,) = contrast_batches([pl.concat([pairs, pairs.with_columns(is_tie=pl.lit(True))])])
    assert derived.pairs.is_empty()
    assert derived.left_out == {"no instruction tells the answers apart": 2}


def test_command(data: Path, tmp_path: Path) -> None:
    source, out = str(next(data.glob("**/dpo_en*"))), tmp_path / "out"
    done = CliRunner().invoke(app, ["derive", source, "--from", "contrasts", "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert json.loads((out / "derive.json").read_text())["pairs_made"] == len(
        read_pairs(str(out / "pairs"))
    )
