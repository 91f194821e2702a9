"""The local server of `curate review`."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import uvicorn

from curate.errors import CurateError
from curate.people.connections import bounded_protocol
from curate.people.server import ReviewPage, make_app

# Of a connection of the page: a browser opens the next one by itself.
_KEEP_ALIVE_SECONDS = 5


def serve_review(review: ReviewPage, port: int, on_ready: Callable[[str], object]) -> Path:
    """Serve a review on 127.0.0.1 until the user stops it; returns the file of verdicts.

    Args:
        review: the review.
        port: 0 for a free one.
        on_ready: called with the address once the server listens.

    Raises:
        CurateError: the port is taken, or the reviewer is judging already.
    """
    # Other users of the machine can reach 127.0.0.1 too.
    token = secrets.token_urlsafe(24)
    # Only of a socket that names its protocol does asyncio switch Nagle's delay (40 ms) off.
    with (
        review.log.locked(),
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener,
    ):
        _listen(listener, port)
        on_ready(f"http://127.0.0.1:{listener.getsockname()[1]}/?token={token}")
        config = uvicorn.Config(
            make_app(review, token),
            http=bounded_protocol(),
            ws="none",
            lifespan="off",
            log_level="warning",
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
        # uvicorn raises Ctrl+C again once it has stopped; what to do next comes after it.
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])
    review.log.close()
    return review.log.path


def _listen(listener: socket.socket, port: int) -> None:
    # Without it a restart would wait a minute for the port of the review before.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        raise CurateError(
            "the port is already in use", where="--port", found=f"{port}: {error.strerror}"
        ) from None
    listener.listen()
