"""Every instruction is checked again by a reader of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
from typer.testing import CliRunner

from curate import read_pairs
from curate.cli.app import app
from curate.derive.instructions import derive
from tests.helpers import pairs_of

PARAGRAPH = r"Write exactly (\d+) paragraph\(s\), separated by blank lines\."


def follows(text: str, instruction: str) -> bool:
    """Whether a text follows one instruction."""
    words = len(text.split())
    if match := re.fullmatch(r"Use at least (\d+) words\.", instruction):
        return words >= int(match[1])
    if match := re.fullmatch(r"Use at most (\d+) words\.", instruction):
        return words <= int(match[1])
    if match := re.fullmatch(PARAGRAPH, instruction):
        return len([p for p in text.split("\n\n") if p.strip()]) == int(match[1])
    if match := re.fullmatch(r"Include the word '(\w+)'\.", instruction):
        return match[1] in text.lower()
    if match := re.fullmatch(r"Do not use the word '(\w+)'\.", instruction):
        return match[1] not in text.lower()
    listed = any(re.match(r"\s*([-*•]|\d+[.)])\s", line) for line in text.split("\n"))
    digits, asks = any(c.isdigit() for c in text), text.rstrip().endswith("?")
    return {
        "Use a bulleted or numbered list.": listed,
        "Do not use any list.": not listed,
        "Give at least one number in digits.": digits,
        "Do not use digits.": not digits,
        "End your answer with a question mark.": asks,
        "Do not end with a question.": not asks,
    }[instruction]


def instructions(prompt: str) -> list[str]:
    return re.split(r"(?<=\.) (?=[A-Z])", prompt.rsplit("\n\n", 1)[1])


def test_the_answer_follows_one_prompt_and_breaks_the_other(data: Path) -> None:
    pairs = read_pairs(str(next(data.glob("**/dpo_en*"))), on_error="skip").frame
    for count in (1, 2, 4):
        derived = derive(pairs, count, seed=count).pairs
        assert len(derived) > len(pairs) // 2
        for row in derived.to_dicts():
            good, bad = row["chosen"], row["rejected"]
            assert good[-1] == bad[-1]
            answer = good[-1]["content"]
            followed, turned = (instructions(side[-2]["content"]) for side in (good, bad))
            assert len(followed) == len(turned) == count
            assert [sentences for sentences in followed if not follows(answer, sentences)] == []
            broken = [sentences for sentences in turned if not follows(answer, sentences)]
            assert len(broken) == len(json.loads(row["extra"])["turned"]) >= 1


def test_all_kinds_come_up_and_a_seed_repeats_itself(data: Path) -> None:
    pairs = read_pairs(str(next(data.glob("**/dpo_en*"))), on_error="skip").frame
    derived = derive(pairs, 3, seed=1).pairs
    assert derived.equals(derive(pairs, 3, seed=1).pairs)
    every = [derive(pairs, 3, seed=seed).pairs["extra"].to_list() for seed in range(5)]
    assert len({k for extras in every for e in extras for k in json.loads(e)["turned"]}) == 8
    origin = [json.loads(e)["made_from"] for e in derived["extra"]]
    assert set(origin) <= set(pairs["pair_id"])


def test_what_makes_no_pair_is_counted() -> None:
    rng = np.random.default_rng(0)
    long = " ".join(rng.choice(["alpha", "bravo", "charlie", "delta"], 40))
    other = " ".join(rng.choice(["edward", "freddy", "george"], 40))
    pairs = pairs_of(
        [
            {"prompt": "p", "chosen": long, "rejected": "x"},
            {"prompt": "q", "chosen": other, "rejected": "x"},
            {"prompt": "r", "chosen": "too short", "rejected": "x"},
        ]
    )
    none = pl.Series("prompt", [[]], dtype=pairs.schema["prompt"])
    pairs = pl.concat([pairs, pairs[:1].with_columns(none)])
    derived = derive(pairs, 2)
    assert len(derived.pairs) == 2
    assert sorted(derived.left_out.values()) == [1, 1]


def test_command(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "made"
    source = str(next(data.glob("**/dpo_en*")))
    done = CliRunner().invoke(app, ["derive", source, "-o", str(out), "--instructions", "2"])
    assert done.exit_code == 0, done.output
    facts = json.loads((out / "derive.json").read_text())
    again = read_pairs(str(out / "pairs")).frame
    assert len(again) == facts["pairs_made"]
    assert again["prompt"].list.len().max() == 0
