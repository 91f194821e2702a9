"""From Python: results are objects with the numbers that the commands print."""

from __future__ import annotations

import doctest
import importlib
import json
import os
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

import curate
from curate import CurateError
from curate.cli.app import app
from curate.read.pairs import read_pairs
from tests.helpers import PANDALM_SAMPLE, trl_rows

PAGE = Path(__file__).parents[3] / "docs" / "guides" / "python.md"


def test_the_kept_pairs_are_a_data_set_as_the_shards_are(tmp_path: Path) -> None:
    filters = [{"type": "sample", "rows": 4}]
    for form in ("trl", "trl_kto", "pairs", "openrlhf"):
        output = {"format": form, "report": False}
        pipeline = curate.Pipeline({"filters": filters, "output": output})
        result = pipeline.run(trl_rows(6), output=tmp_path / form)
        dataset = result.kept_dataset(form)
        shard = pl.read_parquet(tmp_path / form / "kept" / "part-00000.parquet")
        assert dataset.to_list() == shard.to_dicts()
    assert len(result.to_pandas()) == 4
    with pytest.raises(CurateError, match="unknown"):
        result.kept_dataset("tlr")


def test_a_data_set_that_would_lose_parts_is_refused() -> None:
    tools = json.dumps([{"type": "function", "function": {"name": "f", "parameters": {}}}])
    rows = [row | {"tools": tools} for row in trl_rows(3)]
    result = curate.Pipeline({}).run(rows)
    with pytest.raises(CurateError, match="cannot represent some content"):
        result.kept_dataset("openrlhf")
    assert len(result.kept_dataset("openrlhf", allow_loss=True)) == 3
    assert "tools" in result.kept_dataset("trl").column_names


def test_an_empty_result_is_an_empty_data_set() -> None:
    filters = [{"type": "sample", "rows": 0}]
    assert len(curate.Pipeline({"filters": filters}).run(trl_rows(3)).kept_dataset()) == 0


def test_results_show_themselves_and_escape() -> None:
    rows = [{**row, "annotator": "<b>"} for row in trl_rows(3)]
    result = curate.Pipeline({"scorers": [{"type": "lengths", "name": "l"}]}).run(rows)
    html = result._repr_html_()
    assert "3 of 3 pairs are kept" in html
    assert "<td>l</td>" in html
    from curate.data.notebook_html import table_html

    assert "<script>" not in table_html("<script>", ["<script>"], [["<script>"]])


def test_one_scorer() -> None:
    result = curate.score(trl_rows(4), "lengths")
    assert result.frame.columns[0] == "pair_id"
    assert all(c.startswith("lengths.") for c in result.frame.columns[1:])
    assert result._repr_html_()
    assert len(result.to_pandas()) == 4
    with pytest.raises(CurateError, match="did you mean 'lengths'"):
        curate.score(trl_rows(4), "lenghts")
    with pytest.raises(CurateError, match="unknown key"):
        curate.score(trl_rows(4), "lengths", k=3)


@pytest.mark.slow
def test_an_audit_has_the_numbers_of_the_command(tmp_path: Path) -> None:
    result = curate.audit(str(PANDALM_SAMPLE))
    out = tmp_path / "a.json"
    command = CliRunner().invoke(app, ["audit", str(PANDALM_SAMPLE), "-o", str(out)])
    assert command.exit_code == 0
    written = json.loads(out.read_text())
    assert result.estimate is not None
    assert result.estimate.rate == written["noise"]["estimate"]["rate"]
    assert result.verdict.to_json() == written["verdict"]
    assert result.estimate.text in result._repr_html_()
    assert any(s.title == "Agreement of annotators" for s in result.sections)


@pytest.mark.slow
def test_a_bench_of_pairs() -> None:
    pairs = read_pairs(str(PANDALM_SAMPLE), limit=200)
    result = curate.bench(pairs, seeds=1, name="<mine>")
    (advice,) = result.advice
    assert advice.key.dataset == "<mine>"
    assert "&lt;mine&gt;" in result._repr_html_()


@pytest.mark.slow
def test_the_script_with_a_trainer_runs(
    tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the page shows it, but for a tiny model, and pairs of the sample in place of the hub's."""
    pytest.importorskip("trl")
    text = PAGE.read_text(encoding="utf-8")
    (body,) = re.findall(r"<!-- trains[^\n]*\n```python\n(.*?)\n```", text, re.S)
    hub = 'load_dataset("trl-lib/ultrafeedback_binarized", split="train")'
    name = '"HuggingFaceTB/SmolLM2-135M-Instruct"'
    assert hub in body
    assert name in body
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(os.environ, "WANDB_DISABLED", "true")
    local = f'load_dataset("json", data_files={str(PANDALM_SAMPLE)!r}, split="train[:20]")'
    script = body.replace(hub, local).replace(name, repr(str(tiny)))
    script = script.replace("output_dir=", 'report_to="none", use_cpu=True, output_dir=')
    space: dict[str, Any] = {}
    exec(compile(script, str(PAGE), "exec"), space)
    assert space["trainer"].state.global_step == 2
    assert 0 < len(space["result"].kept) < 60


@pytest.mark.parametrize("module", ["run", "result", "score"])
def test_examples_of_docstrings_run(module: str) -> None:
    results = doctest.testmod(importlib.import_module(f"curate.pipeline.{module}"))
    assert results.attempted
    assert not results.failed
