"""Credentials stay in the process: no file and no message holds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsspec
import fsspec.implementations.local
import pytest

from curate import CurateError, Pipeline, read_pairs
from curate.errors import mask, mask_text
from curate.write.export import Target, export
from curate.write.source_rows import export_source
from tests.helpers import trl_rows, write_jsonl

SECRET = "s3cr3t-passw0rd"


@pytest.mark.parametrize(
    ("text", "shown"),
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
def test_texts_are_masked(text: str, shown: str) -> None:
    assert mask_text(text) == shown


def test_values_are_masked_by_their_names_at_any_depth() -> None:
    given: dict[str, Any] = {
        "request": {"headers": {"Authorization": SECRET, "x-api-key": SECRET}, "top_k": 3},
        "password": SECRET,
        "api_key_env": "OPENAI_API_KEY",
        "reply_tokens": 512,
        "base_url": f"http://u:{SECRET}@host/v1",
        "steps": [{"aws_secret_access_key": SECRET, "name": "a"}],
    }
    found = mask(given)
    assert SECRET not in str(found)
    assert found["api_key_env"] == "OPENAI_API_KEY"
    assert found["reply_tokens"] == 512
    assert found["request"]["top_k"] == 3
    assert found["steps"][0]["name"] == "a"


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
    export(tmp_path / "out", tmp_path / "exported", Target())
    export(url, tmp_path / "plain", Target())
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert {"README.md", "report.html", "manifest.json"} <= {p.name for p in files}
    for path in files:
        assert SECRET.encode() not in path.read_bytes(), path
    with pytest.raises(CurateError, match="keeps no credentials"):
        export_source(tmp_path / "out", tmp_path / "source", Target(format="source"))


def test_no_error_holds_credentials() -> None:
    for path in (
        f"foo://me:{SECRET}@host/a.jsonl",
        f"http://me:{SECRET}@127.0.0.1:9/a.jsonl?k={SECRET}",
    ):
        with pytest.raises(CurateError) as caught:
            read_pairs(path)
        assert SECRET not in str(caught.value)
