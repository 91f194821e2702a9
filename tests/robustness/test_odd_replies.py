"""Odd, half, huge and slow replies of an endpoint: a status of their pairs, and the run goes on."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from curate import CurateError, Pipeline
from curate.models.judge import transport
from curate.models.judge.endpoint import read_reply
from tests.helpers import trl_rows, write_jsonl

KEY = "sk-very-secret-key-0123456789"


def reply(content: Any = "good [[A]]", **changes: Any) -> bytes:
    """A reply of the interface, with something changed."""
    chosen_reply: dict[str, Any] = {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }
    return json.dumps({**chosen_reply, **changes}).encode()


def message(value: Any) -> bytes:
    """A reply whose message is something else."""
    return reply(choices=[{"index": 0, "message": value}])


GOOD = {
    "plain": reply(),
    "content as parts": reply([{"type": "text", "text": "good [[A]]"}]),
    "no usage": reply(usage=None),
    "usage of texts": reply(usage={"prompt_tokens": "a", "completion_tokens": "b"}),
    "usage negative": reply(usage={"prompt_tokens": -5, "completion_tokens": -5}),
    "usage absurd": reply(usage={"prompt_tokens": 10**18, "completion_tokens": 10**18}),
    "usage of floats": reply(usage={"prompt_tokens": 1.5, "completion_tokens": 2.5}),
    "usage a list": reply(usage=[1, 2]),
    "usage a text": reply(usage="many"),
    "usage half": reply(usage={"prompt_tokens": 3}),
    "unknown keys": reply(more={"a": [1]}),
    "two choices": reply(
        choices=[{"message": {"content": "good [[A]]"}}, {"message": {"content": "bad"}}]
    ),
    "half a character": reply(b"good [[A]] \\ud83d".decode("unicode_escape")),
    "no id, no model": json.dumps({"choices": [{"message": {"content": "[[A]]"}}]}).encode(),
}
ODD = {
    "HTML": b"<html><body>busy</body></html>",
    "a text": b"hello",
    "nothing": b"",
    "white space": b"  ",
    "half JSON": reply()[:40],
    "JSON and more": reply() + b"x",
    "a list": b"[]",
    "a number": b"3",
    "null": b"null",
    "true": b"true",
    "an empty object": b"{}",
    "no choices": reply(choices=[]),
    "choices null": reply(choices=None),
    "choices a text": reply(choices="x"),
    "choices an object": reply(choices={"a": 1}),
    "choices of null": reply(choices=[None]),
    "choices of texts": reply(choices=["x"]),
    "no message": reply(choices=[{"index": 0}]),
    "message null": message(None),
    "message a text": message("x"),
    "message a list": message([1]),
    "no content": message({"role": "assistant"}),
    "content null": reply(None),
    "content a number": reply(3),
    "content a bool": reply(True),
    "content an object": reply({"a": 1}),
    "content a list of numbers": reply([1, 2]),
    "content empty parts": reply([]),
    "content empty": reply(""),
    "content white space": reply(" \n"),
    "bytes that are no UTF-8": b'{"choices": "\xff\xfe"}',
    "nested too deep": b'{"choices": ' + b"[" * 20_000,
    "an error with 200": b'{"error": {"message": "overloaded"}}',
}


@contextmanager
def raw_server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server on loopback that answers each connection by a function of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.2)
    stop = threading.Event()

    def one(connection: socket.socket) -> None:
        with connection:
            try:
                connection.settimeout(5)
                data = b""
                while b"\r\n\r\n" not in data:
                    data += connection.recv(65536)
                answer(connection)
            except OSError:
                pass

    def serve() -> None:
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                continue
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        stop.set()
        listener.close()


def sending(
    body: bytes, status: str = "200 OK", kind: str = "application/json"
) -> Callable[..., None]:
    """Answers with one body."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"

    def answer(connection: socket.socket) -> None:
        connection.sendall((head + "Connection: close\r\n\r\n").encode() + body)

    return answer


def run_judge(folder: Path, url: str, **settings: Any) -> Any:
    write_jsonl(folder / "a.jsonl", trl_rows(3))
    judge = {"type": "judge", "model": "m", "base_url": url, "retries": 0, **settings}
    config = {
        "input": {"path": str(folder / "a.jsonl")},
        "scorers": [judge],
        "store": str(folder / "store"),
    }
    return Pipeline(config).run(output=folder / "out")


@pytest.mark.parametrize("name", GOOD)
def test_a_reply_that_can_be_read(name: str) -> None:
    text, usage = read_reply(GOOD[name])
    assert "[[A]]" in text
    text.encode()
    assert (usage is not None) == (
        name in ("plain", "content as parts", "unknown keys", "two choices", "half a character")
    )


def test_a_reply_that_was_cut_is_no_verdict_and_is_paid_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    verdict = {"role": "assistant", "content": "At first sight [[A]], but"}
    cut = reply(choices=[{"index": 0, "message": verdict, "finish_reason": "length"}])
    with raw_server(sending(cut)) as url:
        result = run_judge(tmp_path, url)
    assert set(result.scores["judge.status"]) == {
        "cut off at the longest reply: raise reply_tokens"
    }
    assert result.scores["judge.verdict"].null_count() == 3
    facts = next(step.facts for step in result.steps if step.name == "judge")["endpoint"]
    assert (facts["requests"], facts["tokens_in"], facts["failures"]) == (6, 60, 6)


def test_a_verdict_before_the_cut_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    verdict = {"role": "assistant", "content": "[[C]] Both are"}
    cut = reply(choices=[{"index": 0, "message": verdict, "finish_reason": "length"}])
    with raw_server(sending(cut)) as url:
        result = run_judge(tmp_path, url)
    assert set(result.scores["judge.verdict"]) == {"tie"}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_reply_is_a_status_of_its_pair(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with raw_server(sending(ODD[name])) as url:
        result = run_judge(tmp_path, url)
        statuses = result.scores["judge.status"].to_list()
        assert len(statuses) == len(result.kept) == 3
        assert all(status.startswith("unreadable reply") for status in statuses), statuses


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "422 Odd", "500 Failed"])
def test_the_key_is_never_shown_or_kept(
    status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    body = json.dumps({"error": {"message": f"bad header: Authorization: Bearer {KEY}"}}).encode()
    with raw_server(sending(body, status)) as url:
        try:
            output = str(run_judge(tmp_path, url).warnings)
        except CurateError as error:
            output = str(error)
    assert KEY not in output
    for path in (p for p in tmp_path.rglob("*") if p.is_file()):
        assert KEY.encode() not in path.read_bytes(), path


def test_a_key_in_a_good_reply_is_masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with raw_server(sending(reply(f"the key is {KEY} [[A]]"))) as url:
        result = run_judge(tmp_path, url)
    assert "***" in result.scores["judge.rationale"][0]
    for path in (p for p in tmp_path.rglob("*") if p.is_file()):
        assert KEY.encode() not in path.read_bytes(), path


def _dripping(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1000):
        connection.sendall(b"x")
        time.sleep(0.1)


def _dripping_head(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for i in range(1000):
        connection.sendall(f"X-{i}: y\r\n".encode())
        time.sleep(0.1)


def _silent(connection: socket.socket) -> None:
    time.sleep(30)


def _closing(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")


@pytest.mark.parametrize("answer", [_dripping, _dripping_head, _silent, _closing])
def test_a_slow_reply_ends_at_the_timeout(
    answer: Callable[[socket.socket], None], tmp_path: Path
) -> None:
    started = time.monotonic()
    with raw_server(answer) as url:
        result = run_judge(tmp_path, url, timeout=0.5, concurrency=8)
    assert time.monotonic() - started < 10
    assert all(s.startswith("failed") for s in result.scores["judge.status"].to_list())


def test_an_endless_reply_ends_at_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MAX_BYTES", 1 << 20)
    bytes_sent = 0

    def endless(connection: socket.socket) -> None:
        nonlocal bytes_sent
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        while True:
            connection.sendall(chunk)
            bytes_sent += 65536

    with raw_server(endless) as url:
        result = run_judge(tmp_path, url, concurrency=1)
    statuses = result.scores["judge.status"].to_list()
    assert all("larger than" in status for status in statuses), statuses
    assert bytes_sent < 100 << 20


def test_absurd_usage_does_not_defeat_the_budget(tmp_path: Path) -> None:
    usage = {"prompt_tokens": -(10**9), "completion_tokens": 0, "total_tokens": 0}
    with raw_server(sending(reply(usage=usage))) as url:
        result = run_judge(tmp_path, url, budget_tokens=100, concurrency=1)
    statuses = result.scores["judge.status"].to_list()
    assert "budget" in statuses


def test_a_reply_of_a_wrong_shape_is_not_kept(tmp_path: Path) -> None:
    with raw_server(sending(reply(None))) as url:
        first = run_judge(tmp_path, url)
    assert first.scores["judge.margin"].null_count() == 3
    other = tmp_path / "again"
    other.mkdir()
    with raw_server(sending(reply())) as url:
        write_jsonl(other / "a.jsonl", trl_rows(3))
        result = run_judge(other, url)
    assert result.scores["judge.status"].to_list() == ["ok"] * 3
