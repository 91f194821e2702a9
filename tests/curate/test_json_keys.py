"""The keys of the files that commands write are an interface: other programs read them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curate.cli.app import app
from tests.conftest import DATA

ROOT = Path(__file__).parents[2]
SAMPLE = str(ROOT / "curate" / "sample" / "preferences.jsonl.gz")
COMMANDS = {
    "audit": ["--limit", "260", "--against", SAMPLE, "--disagreement", "-o", "audit.json"],
    "bench": ["--limit", "200", "--seeds", "2", "--noise", "0.3", "-o", "."],
    "explain": ["--limit", "200", "-o", "."],
    "worth": ["--limit", "200", "--seeds", "2", "-o", "."],
}
FILES = {"audit": "audit.json", "explain": "explanation.json"}


def key_tree(value: object) -> object:
    """Return the keys of nested objects in their order, and those of the first of a list."""
    if isinstance(value, dict):
        return {key: key_tree(entry) for key, entry in value.items()}
    return [key_tree(entry) for entry in value[:1]] if isinstance(value, list) else None


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_files_keep_their_keys(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = [name, SAMPLE, "--embedder", "static", *COMMANDS[name], "--overwrite"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / FILES.get(name, f"{name}.json")).read_text())
    # Names of packages, which depend on what is installed.
    written["versions"] = {}
    expected = (DATA / "json_keys" / f"{name}.json").read_text()
    assert json.dumps(key_tree(written), indent=1) + "\n" == expected
