"""manifest.json keeps its keys, and manifests of older versions are read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curate import Pipeline
from curate.write.manifest import RunManifest
from tests.conftest import DATA

KEYS = Path(__file__).with_name("manifest_keys.txt")
_OTHER_NAMES = ("config", "versions", "files_written", "output.parts", "drop_codes")
"""Objects whose keys are those of pipeline.yaml, or names of libraries, files, contents, codes."""


def key_paths(value: Any, path: str = "") -> Iterator[str]:
    """Yield the path of every key; entries of a list share theirs, steps stand under their name."""
    if isinstance(value, dict) and path not in _OTHER_NAMES:
        for key, entry in value.items():
            name = f"{path}.{key}".removeprefix(".")
            yield name
            yield from key_paths(entry, name)
    elif isinstance(value, list):
        for entry in value:
            named = isinstance(entry, dict) and path == "steps"
            yield from key_paths(entry, f"{path}[{entry['name'] if named else ''}]")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The manifest of a run of two sources with weights, flips and splits."""
    out = tmp_path_factory.mktemp("run") / "out"
    sources = ("llama-factory-dpo", "hh-rlhf-harmless")
    config = {
        "input": [{"name": name, "path": str(DATA / name)} for name in sources],
        "embedder": {"name": "static"},
        "scorers": [{"type": "lengths"}, {"type": "label_em"}],
        "filters": [
            {"type": "exact_duplicates"},
            {"type": "flip_lowest", "column": "label_em.posterior", "share": 0.1},
            {"type": "reweight"},
            {"type": "expression", "keep": "`lengths.difference` > -2000"},
        ],
        "output": {"splits": {"train": 0.8, "test": 0.2}},
        "store": None,
    }
    Pipeline(config).run(output=out)
    data: dict[str, Any] = json.loads((out / "manifest.json").read_text())
    return data


def test_the_manifest_has_the_keys_that_readers_know(manifest: dict[str, Any]) -> None:
    expected = KEYS.read_text(encoding="utf-8").splitlines()
    assert sorted(set(key_paths(manifest))) == expected


def test_a_manifest_that_is_read_becomes_the_same_data(manifest: dict[str, Any]) -> None:
    again = json.loads(json.dumps(RunManifest.from_json(manifest).to_json()))
    added_later = ("made_by", "signed", "files_written", "mark_xxh3_128")
    assert again == {key: value for key, value in manifest.items() if key not in added_later}


def test_a_manifest_of_an_older_version_is_read(manifest: dict[str, Any]) -> None:
    """Version 0.2 had no drop codes, sources or weights, and no alerts."""
    old = {k: v for k, v in manifest.items() if k not in ("drop_codes", "by_source", "warnings")}
    old["output"] = {"format": "trl", "file_type": "parquet", "kept": manifest["output"]["kept"]}
    old["steps"] = [{k: v for k, v in s.items() if k != "alerts"} for s in manifest["steps"]]
    read = RunManifest.from_json(old)
    assert (read.sources, read.output.weights, read.alerts) == ((), None, [])
    assert [step.name for step in read.steps] == [step["name"] for step in manifest["steps"]]
