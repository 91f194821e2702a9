"""Every verb that embeds tells which embedder was taken, and what its vectors do not see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curate.cli.app import app
from curate.models.embed.report import EmbeddingReport, RoundingError
from tests.helpers import write_jsonl

_LONG = "word " * 600


def test_doubts_are_told_once_each() -> None:
    report = EmbeddingReport(
        choice="static was taken",
        cut="ends do not count",
        media=4,
        media_not_seen=2,
        pairs_not_seen=1,
        int8=RoundingError(9, 0.9, 0.99),
    )
    doubts = report.warnings
    assert [text.split()[0] for text in doubts] == ["2", "vectors", "ends"]
    assert report.notes == ["static was taken", *doubts]
    assert EmbeddingReport(media_not_seen=0).notes == []


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["audit", "bench", "explain", "worth", "round"])
def test_ends_that_do_not_count_are_told(tmp_path: Path, verb: str) -> None:
    rows = [
        {"prompt": f"p {i}", "chosen": f"{_LONG if i < 4 else ''} good {i}", "rejected": f"bad {i}"}
        for i in range(220)
    ]
    data = str(write_jsonl(tmp_path / "a.jsonl", rows))
    out = str(tmp_path / "out")
    more = {
        "audit": ["-o", out],
        "bench": ["--noise", "none", "--seeds", "1", "-o", out],
        "explain": ["-o", out],
        "worth": ["--seeds", "2", "-o", out],
        "round": ["--gold", data, "-o", out],
    }
    done = CliRunner().invoke(app, [verb, data, "--embedder", "minilm", *more[verb]])
    assert done.exit_code == 0, (done.output, done.exception)
    note = "are longer and are truncated"
    assert note in " ".join(done.output.split())
    name = {"bench": "bench.json", "explain": "explanation.json", "worth": "worth.json"}.get(verb)
    if name is not None:
        assert note in json.dumps(json.loads((tmp_path / "out" / name).read_text()))
