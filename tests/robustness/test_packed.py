"""What is packed counts by what it unpacks to."""

from __future__ import annotations

import asyncio
import gzip
import json
import tempfile
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate import CurateError, read_pairs
from curate.models.judge import transport
from curate.read.sources import data_file
from tests.robustness.bad_inputs import lines, rows

MB = 1 << 20


def _deflated(data: bytes) -> bytes:
    return zlib.compress(data, 9)


@contextmanager
def _server(body: bytes, encoding: str) -> Iterator[tuple[str, list[str]]]:
    """A server that sends this body, and the encodings that it was asked for."""
    accepted: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            accepted.append(self.headers["Accept-Encoding"])
            self.send_response(200)
            self.send_header("Content-Encoding", encoding)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", accepted
    finally:
        server.shutdown()


def fetch(url: str) -> httpx.Response:
    """Ask by the judge's client."""

    async def ask() -> httpx.Response:
        async with transport.BoundedClient(30, 1) as client:
            return await client.get(url)

    return asyncio.run(ask())


@pytest.mark.parametrize("pack", [gzip.compress, _deflated], ids=["gzip", "deflate"])
@pytest.mark.parametrize("proxy", [False, True])
def test_a_packed_reply_is_bounded_by_what_it_holds(
    pack: Callable[[bytes], bytes], proxy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoding = "gzip" if pack is gzip.compress else "deflate"
    bomb = pack(b"a" * (250 * MB))
    assert len(bomb) < MB

    def address(url: str) -> str:
        if not proxy:
            return url
        monkeypatch.setenv("HTTP_PROXY", url)
        return "http://elsewhere.invalid/"

    with _server(bomb, encoding) as (url, accepted):
        with pytest.raises(transport.TooLargeError):
            fetch(address(url))
        assert accepted == ["identity"]
    with _server(pack(b"hello"), encoding) as (url, _):
        assert fetch(address(url)).text == "hello"


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "x" * 500])
def test_an_encoding_that_nobody_asked_for_is_an_error(encoding: str) -> None:
    with _server(b"hello", encoding) as (url, _), pytest.raises(httpx.DecodingError):
        fetch(url)


def test_a_damaged_packed_reply_is_an_error() -> None:
    with _server(b"no gzip", "gzip") as (url, _), pytest.raises(httpx.DecodingError):
        fetch(url)


@pytest.mark.parametrize("name", ["a.parquet.gz", "a.arrow.gz", "a.parquet.zip"])
def test_a_packed_table_ends_at_the_bound(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    bomb = b"PAR1" + bytes(64 * MB)
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.parquet", bomb)
    else:
        path.write_bytes(gzip.compress(bomb))
    written = []

    class Counted(tempfile.SpooledTemporaryFile):  # type: ignore[type-arg]
        def write(self, data: bytes) -> int:
            written.append(len(data))
            return super().write(data)

    monkeypatch.setattr(data_file.tempfile, "SpooledTemporaryFile", Counted)
    with pytest.raises(CurateError, match="max_file_mb"):
        read_pairs(str(path), max_file_mb=2)
    assert sum(written) <= 2 * MB + data_file.BUFFER


def test_a_packed_table_within_the_bound_is_read(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(rows(50)), tmp_path / "b.parquet")
    packed = tmp_path / "a.parquet.gz"
    packed.write_bytes(gzip.compress((tmp_path / "b.parquet").read_bytes()))
    assert len(read_pairs(str(packed), max_file_mb=1)) == 50


def test_the_list_of_an_archive_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(30):
            archive.writestr(f"{i:03}.jsonl", json.dumps(rows(1, i)[0]))
    opened = []
    real = zipfile.ZipFile
    monkeypatch.setattr(zipfile, "ZipFile", lambda *a: opened.append(1) or real(*a))
    assert len(read_pairs(str(path))) == 30
    assert len(opened) == 1


def test_a_changed_archive_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    for count in (3, 5):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.jsonl", lines(rows(count)))
        assert len(read_pairs(str(path))) == count
        time.sleep(0.01)
