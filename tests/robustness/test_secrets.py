"""Credentials stay in the process: no file and no message holds them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fsspec
import fsspec.implementations.local
import pytest

from curate import CurateError, Pipeline, read_pairs
from curate.errors import mask, mask_text
from curate.steps.contracts import Filter, Scorer
from curate.steps.discovery import find_classes
from curate.write.export import ExportTarget, export_pairs
from curate.write.source_rows import export_source
from tests.helpers import trl_rows, write_jsonl

SECRET = "s3cr3t-passw0rd"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"ftp://me:{SECRET}@host/a.jsonl", "ftp://***@host/a.jsonl"),
        (
            f"https://host/a?X-Amz-Signature={SECRET}&v=1",
            "https://host/a?X-Amz-Signature=***&v=***",
        ),
        (f"s3://bucket/a?key={SECRET}#x", "s3://bucket/a?key=***#x"),
        (f"http://me@host/{'a'}", "http://***@host/a"),
        (f"Authorization: Bearer {SECRET}", "Authorization: Bearer ***"),
        ("data/train.jsonl", "data/train.jsonl"),
        ("mail me@host.org", "mail me@host.org"),
        ("https://host/a.jsonl", "https://host/a.jsonl"),
    ],
)
def test_texts_are_masked(text: str, masked: str) -> None:
    assert mask_text(text) == masked


def test_values_are_masked_by_their_names_at_any_depth() -> None:
    values: dict[str, Any] = {
        "request": {"headers": {"Authorization": SECRET, "x-api-key": SECRET}, "top_k": 3},
        "password": SECRET,
        "api_key_env": "OPENAI_API_KEY",
        "reply_tokens": 512,
        "base_url": f"http://u:{SECRET}@host/v1",
        "steps": [{"aws_secret_access_key": SECRET, "name": "a"}],
    }
    masked = mask(values)
    assert SECRET not in str(masked)
    assert masked["api_key_env"] == "OPENAI_API_KEY"
    assert masked["reply_tokens"] == 512
    assert masked["request"]["top_k"] == 3
    assert masked["steps"][0]["name"] == "a"


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "db_password",
        "clientSecret",
        "API_KEY",
        "x-api-key",
        "apiKey",
        "access_token",
        "hf_token",
        "private_key",
        "Set-Cookie",
        "aws_secret_access_key",
        "Authorization",
    ],
)
def test_keys_that_name_a_secret(name: str) -> None:
    assert mask({name: SECRET}) == {name: "***"}
    assert mask({"a": [{name: 12345}]}) == {"a": [{name: "***"}]}
    assert mask({"request": {"headers": {"key": SECRET, "token": SECRET}}}) == {
        "request": {"headers": {"key": "***", "token": "***"}}
    }


def test_no_parameter_of_a_step_is_masked() -> None:
    """The recipe of a run must be complete: what a step was given stands in its manifest."""
    steps = [find_classes("scorers", Scorer), find_classes("filters", Filter)]
    for step in (cls for classes in steps for cls in classes.values()):
        for name in step.Params.model_fields:
            for value in (5, 0.5, "extra.x", ["a"]):
                assert mask({name: value}) == {name: value}, (step.name, name)
    names = {"passes": 10, "tokens": 3, "key": "extra.x", "passage": "context", "token": "<image>"}
    assert mask(names) == names


def test_the_recipe_in_the_manifest_runs_and_gives_the_same_pairs(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", trl_rows(40))
    scorers: list[dict[str, Any]] = [
        {"type": "mc_dropout", "passes": 4},
        {"type": "repetition"},
        {"type": "lengths", "name": "token"},
    ]
    filters = [{"type": "quantile", "column": "mc_dropout.bald", "keep": 0.5}]
    config = {"input": {"path": str(path)}, "scorers": scorers, "filters": filters}
    first = Pipeline(config | {"embedder": {"name": "static"}}).run(output=tmp_path / "one")
    manifest = json.loads((tmp_path / "one" / "manifest.json").read_text())
    assert "***" not in json.dumps(manifest["config"])
    second = Pipeline(manifest["config"]).run(output=tmp_path / "two")
    assert second.kept["pair_id"].equals(first.kept["pair_id"])


class _Server(fsspec.implementations.local.LocalFileSystem):  # type: ignore[name-defined]
    """A file system whose URLs carry a password."""

    protocol = "vault"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(path).partition("@host")[2] or str(path)

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, Any]:
        return {}


def test_no_file_of_a_run_holds_credentials(tmp_path: Path) -> None:
    fsspec.register_implementation("vault", _Server, clobber=True)
    data = write_jsonl(tmp_path / "a.jsonl", trl_rows(30))
    url = f"vault://me:{SECRET}@host{data}"
    config = {
        "input": {"path": url},
        "scorers": [{"type": "lengths"}],
        "store": str(tmp_path / "store"),
    }
    result = Pipeline(config).run(output=tmp_path / "out")
    assert len(result.kept) == 30
    export_pairs(tmp_path / "out", tmp_path / "exported", ExportTarget())
    export_pairs(url, tmp_path / "plain", ExportTarget())
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert {"README.md", "report.html", "manifest.json"} <= {p.name for p in files}
    for path in files:
        assert SECRET.encode() not in path.read_bytes(), path
    with pytest.raises(CurateError, match="does not store credentials"):
        export_source(tmp_path / "out", tmp_path / "source", ExportTarget(format="source"))


def test_no_error_holds_credentials() -> None:
    for path in (
        f"foo://me:{SECRET}@host/a.jsonl",
        f"http://me:{SECRET}@127.0.0.1:9/a.jsonl?k={SECRET}",
    ):
        with pytest.raises(CurateError) as caught:
            read_pairs(path)
        assert SECRET not in str(caught.value)
