from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import curate.cli.run
from curate.cli.app import app, main, only_requested_command
from curate.cli.examples import EXAMPLES
from tests.helpers import trl_rows, write_jsonl

PIPELINE = """
input: {path: DATA}
scorers: [{type: lengths}]
filters:
  - {type: ties}
  - {type: quantile, column: lengths.chosen, keep: 0.5}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_jsonl(tmp_path / "data.jsonl", trl_rows(20))
    (tmp_path / "pipeline.yaml").write_text(PIPELINE.replace("DATA", "data.jsonl"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of the program."""
    monkeypatch.setattr(sys, "argv", ["curate", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    return int(caught.value.code or 0)


def test_run_shows_steps_and_places(folder: Path) -> None:
    result = CliRunner().invoke(app, ["run"])
    assert result.exit_code == 0, result.output
    for text in ("quantile", "curated shards: curated/kept", "curated/manifest.json"):
        assert text in result.output
    assert len(pl.read_parquet(folder / "curated" / "kept" / "*.parquet")) == 10


def test_limit_and_output(folder: Path) -> None:
    result = CliRunner().invoke(app, ["run", "--limit", "4", "-o", "other"])
    assert result.exit_code == 0, result.output
    manifest = json.loads((folder / "other" / "manifest.json").read_text())
    assert manifest["rows"] == {"in": 4, "kept": 2, "dropped": 2}


def test_dry_run_writes_nothing_and_shows_the_plan(folder: Path) -> None:
    result = CliRunner().invoke(app, ["run", "--dry-run"])
    assert result.exit_code == 0, result.output
    for text in ("lengths.chosen", "format trl", "Nothing was written"):
        assert text in result.output
    assert sorted(p.name for p in folder.iterdir()) == ["data.jsonl", "pipeline.yaml"]


def test_exit_code_2_for_the_users_mistake(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "run") == 0
    assert call(monkeypatch, "run") == 2
    error = capsys.readouterr().err
    assert "finished run" in error
    assert "Traceback" not in error
    assert call(monkeypatch, "run", "nowhere.yaml") == 2
    assert call(monkeypatch, "run", "--no-such-option") == 2
    assert call(monkeypatch, "run", "--overwrite") == 0


def test_exit_code_1_for_our_bug(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(curate.cli.run, "_load_file", broken)
    assert call(monkeypatch, "run") == 1
    error = capsys.readouterr().err
    assert "ZeroDivisionError" in error
    assert "bug in curate" in error


def test_list_names_every_step_with_columns_and_directions(folder: Path) -> None:
    result = CliRunner().invoke(app, ["list", "--json"])
    listing = json.loads(result.output)
    assert {"crm", "donod", "duplicates", "knn_diversity", "lengths", "mc_dropout"} <= set(
        listing["scorers"]
    )
    assert {"ties", "topsis", "expression", "per_group", "sample"} <= set(listing["filters"])
    for entry in (listing["scorers"] | listing["filters"]).values():
        assert entry["summary"]
        assert all(p["meaning"] for p in entry["parameters"].values())
        assert all(c["meaning"] and c["direction"] for c in entry["columns"])
    text = CliRunner().invoke(app, ["list"]).output
    assert "reward_margin" in text
    assert "sharegpt" in text


def test_list_shows_the_recommended_first_and_research_on_request(folder: Path) -> None:
    text = CliRunner().invoke(app, ["list"]).output
    assert text.startswith("scorers: recommended")
    assert "crm" not in text.partition("research, without gain")[0]
    assert "crm" in text.partition("research, without gain")[2].splitlines()[0]
    complete = CliRunner().invoke(app, ["list", "--all"]).output
    assert complete.index("noise_score") < complete.index("committee") < complete.index("  crm ")
    listing = json.loads(CliRunner().invoke(app, ["list", "--json"]).output)
    standings = {name: e["standing"] for name, e in listing["scorers"].items()}
    assert (standings["noise_score"], standings["relevance"], standings["crm"]) == (
        "recommended",
        "situational",
        "research",
    )


def test_list_of_one_step(folder: Path) -> None:
    text = CliRunner().invoke(app, ["list", "mc_dropout"]).output
    assert "2409.11212" in text
    assert "passes" in text


def test_list_of_an_unknown_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "list", "mc_droput") == 2
    assert "did you mean 'mc_dropout'" in capsys.readouterr().err


def test_inspect(folder: Path, data: Path) -> None:
    result = CliRunner().invoke(app, ["inspect", str(data / "auto-j" / "slice.json"), "--json"])
    facts = json.loads(result.output)
    assert (facts["format"], facts["pairs"], facts["rows_rejected"]) == ("autoj", 40, 0)
    assert facts["extra_keys"] == ["chosen_slot", "label", "scenario"]
    assert facts["characters"]["chosen"]["min"] <= facts["characters"]["chosen"]["max"]
    text = CliRunner().invoke(app, ["inspect", "data.jsonl"]).output
    assert "distinct prompts" in text


def test_init_writes_a_pipeline_that_runs_dry(folder: Path) -> None:
    done = CliRunner().invoke(app, ["init", "new.yaml", "--data", "data.jsonl"])
    assert done.exit_code == 0
    assert CliRunner().invoke(app, ["run", "new.yaml", "--dry-run"]).exit_code == 0
    again = CliRunner().invoke(app, ["init", "new.yaml"])
    assert again.exit_code != 0


def test_schema_accepts_the_default_pipeline_and_refuses_a_typo() -> None:
    import yaml
    from jsonschema import Draft202012Validator

    from curate.sample import default_pipeline

    schema = json.loads(CliRunner().invoke(app, ["schema"]).output)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    good = yaml.safe_load(default_pipeline("a.jsonl"))
    assert list(validator.iter_errors(good)) == []
    good["scorers"][2]["repeets"] = 3
    assert list(validator.iter_errors(good)) != []


def test_version() -> None:
    assert CliRunner().invoke(app, ["--version"]).output.startswith("curate 0.")


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys; from curate.cli.app import main; sys.argv = ['curate', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'polars', 'pyarrow', 'faiss') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("words", "count"),
    [(["run", "p.yaml"], 1), (["list"], 1), ([], len(EXAMPLES)), (["--help"], len(EXAMPLES))],
)
def test_only_the_command_that_is_asked_for_is_looked_into(words: list[str], count: int) -> None:
    with only_requested_command(words):
        assert len(app.registered_commands) == count
    assert len(app.registered_commands) == len(EXAMPLES)
