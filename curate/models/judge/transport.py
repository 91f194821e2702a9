"""How replies travel: within a total time and a total size, whatever the server does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import getproxies

import httpcore
import httpx

MOST_BYTES = 8 << 20
"""Of one reply: far beyond any that a question asks for."""


class TooLargeError(Exception):
    """The reply is larger than `MOST_BYTES`."""


class _Deadline(threading.local):
    at: float = float("inf")

    def left(self, timeout: float | None) -> float | None:
        """Seconds that one read may take."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the reply took longer than the timeout")
        return left if timeout is None else min(timeout, left)


class _Stream(httpcore.NetworkStream):
    """A connection whose reads and writes end at the deadline of the thread that asks."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Some bytes, before the deadline."""
        return self._inner.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """All bytes, before the deadline."""
        self._inner.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        """End the connection."""
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The encrypted connection, with the same deadline."""
        inner = self._inner.start_tls(ssl_context, server_hostname, self._deadline.left(timeout))
        return _Stream(inner, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """What the connection knows of itself."""
        return self._inner.get_extra_info(info)


class _Network(httpcore.NetworkBackend):
    """Opens such connections."""

    def __init__(self, deadline: _Deadline) -> None:
        self._inner, self._deadline = httpcore.SyncBackend(), deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        """A connection to a host."""
        left = self._deadline.left(timeout)
        inner = self._inner.connect_tcp(host, port, left, local_address, socket_options)
        return _Stream(inner, self._deadline)

    def sleep(self, seconds: float) -> None:
        """Wait between tries to connect."""
        self._inner.sleep(seconds)


@contextmanager
def _told() -> Iterator[None]:
    """Errors of the connection as those that the client above knows."""
    try:
        yield
    except httpcore.TimeoutException as error:
        raise httpx.ReadTimeout(str(error) or "the reply took longer than the timeout") from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise httpx.ReadError(str(error) or type(error).__name__) from error


class _Body(httpx.SyncByteStream):
    """The bytes of a reply, up to the bound."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __iter__(self) -> Iterator[bytes]:
        count = 0
        with _told():
            for chunk in self._inner:
                count += len(chunk)
                # A server could send for ever: httpx bounds the time of one read, not of all.
                if count > MOST_BYTES:
                    raise TooLargeError(f"the reply is larger than {MOST_BYTES >> 20} MB")
                yield chunk

    def close(self) -> None:
        """End the reply."""
        if hasattr(self._inner, "close"):
            self._inner.close()


class BoundedTransport(httpx.BaseTransport):
    """Sends requests; each reply, headers included, must be there within `seconds`."""

    def __init__(self, seconds: float, connections: int) -> None:
        self._seconds, self._deadline = seconds, _Deadline()
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            max_connections=connections,
            network_backend=_Network(self._deadline),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        # Of the thread that asks: replies of other threads have deadlines of their own.
        self._deadline.at = time.monotonic() + self._seconds
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        sent = httpcore.Request(
            method=request.method,
            url=url,
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _told():
            reply = self._pool.handle_request(sent)
        return httpx.Response(
            reply.status,
            headers=reply.headers,
            stream=_Body(reply.stream),
            extensions=reply.extensions,
        )

    def close(self) -> None:
        """End all connections."""
        self._pool.close()


def make_client(seconds: float, connections: int) -> httpx.Client:
    """A client with these bounds; through a proxy of the environment only bodies are bounded."""
    if getproxies():

        def bound(response: httpx.Response) -> None:
            response.stream = _Body(response.stream)

        return httpx.Client(timeout=seconds, event_hooks={"response": [bound]})
    return httpx.Client(timeout=seconds, transport=BoundedTransport(seconds, connections))
