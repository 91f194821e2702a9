"""The review page takes verdicts from its own page alone, whatever is sent to it."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from curate import Pairs, Pipeline
from curate.people import server
from curate.people.queue import ReviewQueue
from curate.people.server import ReviewSession, make_app
from curate.people.verdict_log import VerdictLog
from curate.report.run_view import RunView, load_view
from tests.helpers import numbered_pairs

TOKEN = "a-token-of-the-test"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    config = {"scorers": [{"type": "lengths"}], "output": {"report": False}, "store": None}
    Pipeline(config).run(Pairs(numbered_pairs(40)), output=tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def app(run: Path) -> Starlette:
    return make_app(ReviewSession(load_view(run), VerdictLog(run, "ann")), TOKEN)


@pytest.fixture
def client(app: Starlette) -> TestClient:
    page = TestClient(app, raise_server_exceptions=False)
    assert page.get("/", params={"token": TOKEN}).status_code == 200
    return page


def pair_id(client: TestClient) -> str:
    return str(client.get("/api/state").json()["pair"]["id"])


@pytest.mark.parametrize("token", ["", "x", TOKEN + "x", "\u00e9\u4e2d", "\x00", "a" * 10_000])
def test_a_wrong_token_is_refused(token: str, app: Starlette) -> None:
    client = TestClient(app, raise_server_exceptions=False)
    assert client.get("/", params={"token": token}).status_code == 403
    assert client.get("/").status_code == 403
    assert client.get("/api/state").status_code == 403


@pytest.mark.parametrize("cookie", [b"\xff\xfe", "\u00e9".encode(), b"=;=", b"x" * 9000, b"\x01"])
def test_a_cookie_that_is_none_is_refused(cookie: bytes, app: Starlette) -> None:
    client = TestClient(app, raise_server_exceptions=False)
    name = next(iter(TestClient(app).get("/", params={"token": TOKEN}).cookies))
    headers = [(b"cookie", name.encode() + b"=" + cookie)]
    assert client.request("GET", "/api/state", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9"},
        {"host": "evil.example"},
        {"host": "evil.example:80", "origin": "http://evil.example:80"},
        {"host": "127.0.0.1.evil.example"},
    ],
)
def test_another_page_or_host_is_refused(headers: dict[str, str], client: TestClient) -> None:
    body = {"pair_id": pair_id(client), "verdict": "keep", "note": ""}
    assert client.post("/api/verdict", json=body, headers=headers).status_code == 403
    assert client.get("/api/state").json()["done"] == 0


@pytest.mark.parametrize("at", ["x", "1.5", "", "9" * 400, "\u0663", "0x1", "1 2", "nan", "--1"])
def test_a_bad_position_is_the_users_mistake(at: str, client: TestClient) -> None:
    assert client.get("/api/state", params={"at": at}).status_code == 400


@pytest.mark.parametrize("at", ["-1", "40", "999999999"])
def test_a_position_beyond_the_queue_shows_no_pair(at: str, client: TestClient) -> None:
    state = client.get("/api/state", params={"at": at})
    assert state.status_code == 200
    assert state.json()["pair"] is None


BODIES: dict[str, bytes] = {
    "no JSON": b"hello",
    "half JSON": b'{"pair_id": ',
    "a list": b"[]",
    "a text": b'"x"',
    "null": b"null",
    "binary": b"\xff\xfe\x00",
    "deep": b"[" * 50_000,
    "numbers": b'{"pair_id": 3, "verdict": 4, "note": 5}',
    "an object as id": b'{"pair_id": {}, "verdict": "keep"}',
    "an unknown pair": b'{"pair_id": "x", "verdict": "keep"}',
    "an unknown verdict": b'{"pair_id": "PAIR", "verdict": "maybe"}',
    "nothing": b"",
}


@pytest.mark.parametrize("name", BODIES)
def test_a_bad_body_is_the_users_mistake(name: str, client: TestClient) -> None:
    data = BODIES[name].replace(b"PAIR", pair_id(client).encode())
    assert client.post("/api/verdict", content=data).status_code == 400
    assert client.get("/api/state").json()["done"] == 0


def test_a_note_with_half_a_character_is_kept(client: TestClient, run: Path) -> None:
    data = json.dumps({"pair_id": pair_id(client), "verdict": "keep", "note": "\ud83d"})
    assert client.post("/api/verdict", content=data).status_code == 200
    assert "\ufffd" in (run / "verdicts" / "ann.jsonl").read_text()


class _Sender:
    """A client that sends a body chunk by chunk, and counts what was taken."""

    def __init__(self, app: Starlette, headers: list[tuple[bytes, bytes]], pause: float) -> None:
        self._app, self._headers, self._pause = app, headers, pause
        self.received, self.status = 0, 0

    async def _receive(self) -> dict[str, Any]:
        await asyncio.sleep(self._pause)
        self.received += 1 << 16
        return {"type": "http.request", "body": b"x" * (1 << 16), "more_body": True}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]

    def post(self) -> int:
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/api/verdict",
            "raw_path": b"/api/verdict",
            "query_string": b"",
            "headers": [(b"host", b"127.0.0.1"), *self._headers],
            "scheme": "http",
            "server": ("127.0.0.1", 80),
            "client": ("127.0.0.1", 1),
            "http_version": "1.1",
        }
        # In a thread of its own: a browser's test may have left a loop running in this one.
        with ThreadPoolExecutor(1) as pool:
            answer = self._app(scope, self._receive, self._send)  # type: ignore[arg-type]
            pool.submit(asyncio.run, answer).result()
        return self.status


def _cookie(client: TestClient) -> list[tuple[bytes, bytes]]:
    ((name, value),) = client.cookies.items()
    return [(b"cookie", f"{name}={value}".encode())]


def test_nothing_of_a_body_is_read_without_the_token(app: Starlette) -> None:
    sender = _Sender(app, [], 0.0)
    assert sender.post() == 403
    assert sender.received == 0


def test_an_endless_body_ends_at_the_bound(app: Starlette, client: TestClient) -> None:
    sender = _Sender(app, _cookie(client), 0.0)
    assert sender.post() == 413
    assert sender.received <= 1 << 20


def test_a_slow_body_is_given_up(
    app: Starlette, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_BODY_SECONDS", 0.2)
    assert _Sender(app, _cookie(client), 0.15).post() == 408


@pytest.mark.parametrize(
    "path", ["../manifest.json", "..%2fmanifest.json", "%2e%2e/x", "review.js/..", "C:\\x", "a\x00"]
)
def test_paths_lead_nowhere(path: str, client: TestClient) -> None:
    assert client.get(f"/static/{path}".replace("\x00", "%00")).status_code == 404


def test_verdicts_of_many_clients_are_all_kept(
    client: TestClient, app: Starlette, run: Path
) -> None:
    ids = load_view(run).frame["pair_id"].to_list()

    def judge(number: int) -> int:
        body = {"pair_id": ids[number % 40], "verdict": ("keep", "flip")[number % 2], "note": ""}
        return client.post("/api/verdict", json=body).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(judge, range(400))) == {200}
    lines = (run / "verdicts" / "ann.jsonl").read_bytes().splitlines()
    assert len(lines) == 400
    assert all(json.loads(line)["reviewer"] == "ann" for line in lines)


def test_a_queue_of_100_000_pairs(tmp_path: Path) -> None:
    one = numbered_pairs(1)
    count = 100_000
    frame = one.select(pl.all().repeat_by(count).explode()).with_columns(
        pair_id=pl.int_range(count, eager=True).cast(pl.String),
        kept=pl.lit(True),
        **{"a.b": pl.int_range(count, eager=True).cast(pl.Float64)},
    )
    queue = ReviewQueue(RunView(tmp_path, {}, frame, ["a.b"]))
    queue.arrange("a.b", True, "all", "")
    assert len(queue) == count
    assert queue.id_at(0) == str(count - 1)
    seconds = {str(i): "keep" for i in range(count - 1, 0, -1)}
    assert queue.next_open(0, seconds) == count - 1
