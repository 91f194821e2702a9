"""Nobody who lacks the token can keep the reviewer out, over real sockets."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from curate.people.connections import MOST_STRANGERS, REQUEST_SECONDS
from curate.people.drawn_tasks import draw_from_data
from curate.people.tasks import RoutingChoice
from curate.read.pairs import Pairs
from tests.helpers import numbered_pairs
from tests.review_process import ReviewProcess

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReviewProcess]:
    folder = tmp_path_factory.mktemp("drawn") / "drawn"
    choice = RoutingChoice(5, "pairs", sampling="random")
    draw_from_data(Pairs(numbered_pairs(9)), "prefs.jsonl", (), folder, choice, False)
    started = ReviewProcess(folder)
    yield started
    started.kill()


def connect(server: ReviewProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def status(
    server: ReviewProcess, path: str, headers: dict[str, str] | None = None, method: str = "GET"
) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=3)
    try:
        connection.request(method, path, headers=headers or {})
        return connection.getresponse().status
    finally:
        connection.close()


def page(server: ReviewProcess) -> int:
    return status(server, f"/?token={server.token}")


def is_closed(connection: socket.socket, seconds: float) -> bool:
    connection.settimeout(seconds)
    try:
        while connection.recv(65536):
            pass
    except (ConnectionError, TimeoutError) as error:
        return not isinstance(error, TimeoutError)
    return True


SENT = {
    "nothing": b"",
    "half a line": b"GET / HT",
    "no end of headers": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n",
    "a request without a token": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "a body that does not come": b"POST /api/undo HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Length: 100000\r\n\r\n{",
}


@pytest.mark.parametrize("name", SENT)
def test_three_hundred_open_connections_keep_nobody_out(name: str, server: ReviewProcess) -> None:
    opened = [connect(server) for _ in range(300)]
    try:
        for connection in opened:
            try:
                connection.sendall(SENT[name])
            except ConnectionError:  # of many strangers the oldest are closed
                continue
        started = time.monotonic()
        assert [page(server) for _ in range(5)] == [200] * 5
        assert time.monotonic() - started < 3.0
        # No more of them are held than the bound, and those not for long.
        time.sleep(REQUEST_SECONDS + 0.5)
        assert all(is_closed(connection, 0.05) for connection in opened)
    finally:
        for connection in opened:
            connection.close()


@pytest.mark.parametrize(
    "start",
    [b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n", SENT["a body that does not come"]],
    ids=["headers", "body"],
)
def test_a_trickle_does_not_hold_a_connection(start: bytes, server: ReviewProcess) -> None:
    connection = connect(server)
    connection.sendall(start)
    deadline = time.monotonic() + REQUEST_SECONDS + 3.0
    closed = False
    while not closed and time.monotonic() < deadline:
        try:
            connection.sendall(b"x")
        except ConnectionError:
            closed = True
        time.sleep(0.25)
    connection.close()
    assert closed


def test_the_newest_strangers_are_heard(server: ReviewProcess) -> None:
    idle = [connect(server) for _ in range(2 * MOST_STRANGERS)]
    time.sleep(0.3)
    assert page(server) == 200
    assert is_closed(idle[0], 1.0)
    assert not is_closed(idle[-1], 0.05)
    for connection in idle:
        connection.close()


def test_the_reviewers_own_connection_is_never_the_oldest_that_goes(server: ReviewProcess) -> None:
    reviewer_connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=3)
    reviewer_connection.request("GET", f"/?token={server.token}")
    answer = reviewer_connection.getresponse()
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    answer.read()
    strangers = [connect(server) for _ in range(3 * MOST_STRANGERS)]
    time.sleep(0.3)
    reviewer_connection.request("GET", "/api/state", headers={"Cookie": cookie})
    assert reviewer_connection.getresponse().status == 200
    for connection in [reviewer_connection, *strangers]:
        connection.close()


@pytest.mark.parametrize("path", ["/", "/static/style.css", "/api/state"])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_another_host_is_refused_everywhere(host: str, path: str, server: ReviewProcess) -> None:
    assert status(server, f"{path}?token={server.token}", {"Host": host}) == 403


def test_two_processes_of_one_reviewer(server: ReviewProcess, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from curate.cli.app import app

    folder = tmp_path / "drawn"
    draw_from_data(
        Pairs(numbered_pairs(9)),
        "p",
        (),
        folder,
        RoutingChoice(5, "pairs", sampling="random"),
        False,
    )
    first = ReviewProcess(folder)
    try:
        again = CliRunner().invoke(app, ["review", str(folder), "--reviewer", "ann"])
        assert "this reviewer is already active" in str(again.exception)
        assert "ann.jsonl" in again.exception.text()  # type: ignore[union-attr]
        assert page(first) == 200
        second = ReviewProcess(folder, reviewer="bob")
        assert page(second) == 200
        second.kill()
    finally:
        first.kill()
    after_a_kill = ReviewProcess(folder)
    assert page(after_a_kill) == 200
    after_a_kill.kill()
