from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from curate import Pipeline, read_pairs
from curate.cli.app import app
from tests.helpers import write_jsonl
from tests.stub_endpoint import stub_endpoint

ROWS = [
    {"prompt": "Short, please: why is the sky blue?", "chosen": "Scattering.", "rejected": "Long."},
    {"prompt": "Capital of France?", "chosen": "Rome.", "rejected": "Paris."},
]


def test_a_rubric_a_pair_is_written_and_judged_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The judge knows the capital, whatever the label is; so the rubric's verdict shows doubt."""
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "store"))

    def answer(body: dict[str, Any]) -> str:
        text = body["messages"][-1]["content"]
        if "Write the rubric" in text:
            return "Be short." if "Short, please" in text else "Name the right city."
        if "Be short." in text:
            return "[[A]]" if text.index("Scattering.") < text.index("Long.") else "[[B]]"
        assert "Name the right city." in text
        return "[[A]]" if text.index("Paris.") < text.index("Rome.") else "[[B]]"

    data, out = write_jsonl(tmp_path / "d.jsonl", ROWS), tmp_path / "out"
    with stub_endpoint(answer) as stub:
        words = ["derive", str(data), "--from", "rubrics", "-o", str(out), "--url", stub.url]
        done = CliRunner().invoke(app, [*words, "--write-model", "w"])
        assert done.exit_code == 0, done.output
        pairs = read_pairs(str(out / "pairs"))
        judge = {"type": "judge", "model": "j", "base_url": stub.url, "rubric_key": "rubric"}
        scores = Pipeline({"scorers": [judge]}).run(pairs).scores
    rubrics = [json.loads(extra)["rubric"] for extra in pairs.frame["extra"]]
    assert rubrics == ["Be short.", "Name the right city."]
    assert pairs.frame["pair_id"].equals(read_pairs(str(data)).frame["pair_id"])
    assert scores["judge.verdict"].to_list() == ["chosen", "rejected"]
    done = CliRunner().invoke(app, [*words, "--overwrite"])
    assert "need a model that writes them" in str(done.exception)
