from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curate import CurateError, read_pairs
from curate.cli.app import app
from curate.derive.strength import strength_pairs
from tests.helpers import write_jsonl


def duel(prompt: str, *models: str) -> dict[str, str]:
    """A pair whose label says nothing of the models' strength."""
    first, second = models
    return {
        "prompt": prompt,
        "chosen": f"{prompt} by {first}",
        "rejected": f"{prompt} by {second}",
        "chosen_model": first,
        "rejected_model": second,
    }


ROWS = [
    duel("p", "weak", "strong"),
    duel("p", "middle", "weak"),
    duel("q", "middle", "weak"),
    duel("r", "other", "weak"),
]


def test_the_strongest_answer_is_paired_with_the_weakest(tmp_path: Path) -> None:
    data = str(write_jsonl(tmp_path / "d.jsonl", ROWS))
    derived = strength_pairs(read_pairs(data).frame, ["strong", "middle", "weak"])
    texts = [
        (r["chosen"][0]["content"], r["rejected"][0]["content"]) for r in derived.pairs.to_dicts()
    ]
    assert texts == [("p by strong", "p by weak"), ("q by middle", "q by weak")]
    facts = json.loads(derived.pairs["extra"][1])
    assert facts == {"made": "delta", "chosen_model": "middle", "rejected_model": "weak"}
    assert list(derived.left_out.values()) == [1]
    out = tmp_path / "out"
    words = ["derive", data, "--from", "models", "-o", str(out)]
    done = CliRunner().invoke(app, [*words, "--models", "strong, middle,weak"])
    assert done.exit_code == 0, done.output
    assert json.loads((out / "derive.json").read_text())["models"] == ["strong", "middle", "weak"]
    done = CliRunner().invoke(app, [*words, "--models", "strong", "--overwrite"])
    assert "two models or more" in str(done.exception)


def test_names_that_are_not_there_are_errors(tmp_path: Path) -> None:
    pairs = read_pairs(str(write_jsonl(tmp_path / "d.jsonl", ROWS))).frame
    with pytest.raises(CurateError, match="a model wrote no answer"):
        strength_pairs(pairs, ["strong", "gpt"])
    bare = [{"prompt": "p", "chosen": "a", "rejected": "b"}]
    with pytest.raises(CurateError, match="which model wrote"):
        strength_pairs(read_pairs(str(write_jsonl(tmp_path / "e.jsonl", bare))).frame, ["a", "b"])
