"""How replies travel: within a total time and a total size, whatever the server does."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import getproxies

import httpcore
import httpx

MAX_BYTES = 8 << 20
"""Of one reply, unpacked: far beyond any that a question asks for."""
_PLAIN = {"accept-encoding": "identity"}
_ZLIB = ("gzip", "x-gzip", "deflate")
# Has zlib find out which of the two it is.
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_PIECE = 1 << 16


class TooLargeError(Exception):
    """The reply is larger than `MAX_BYTES`."""


class _Deadline(threading.local):
    at: float = float("inf")

    def remaining(self, timeout: float | None) -> float | None:
        """Return seconds that one read may take."""
        remaining = self.at - time.monotonic()
        if remaining <= 0:
            raise httpcore.ReadTimeout("the reply took longer than the timeout")
        return remaining if timeout is None else min(timeout, remaining)


class _BoundedStream(httpcore.NetworkStream):
    """A connection whose reads and writes end at the deadline of the thread that asks."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return some bytes, before the deadline."""
        return self._inner.read(max_bytes, self._deadline.remaining(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """All bytes, before the deadline."""
        self._inner.write(buffer, self._deadline.remaining(timeout))

    def close(self) -> None:
        """End the connection."""
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Return the encrypted connection, with the same deadline."""
        inner = self._inner.start_tls(
            ssl_context, server_hostname, self._deadline.remaining(timeout)
        )
        return _BoundedStream(inner, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """Return what the connection knows of itself."""
        return self._inner.get_extra_info(info)


class _BoundedBackend(httpcore.NetworkBackend):
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
        """Return a connection to a host."""
        remaining = self._deadline.remaining(timeout)
        inner = self._inner.connect_tcp(host, port, remaining, local_address, socket_options)
        return _BoundedStream(inner, self._deadline)

    def sleep(self, seconds: float) -> None:
        """Wait between tries to connect."""
        self._inner.sleep(seconds)


@contextmanager
def _as_httpx_errors() -> Iterator[None]:
    """Raise errors of the connection as those that the client above knows."""
    try:
        yield
    except httpcore.TimeoutException as error:
        raise httpx.ReadTimeout(str(error) or "the reply took longer than the timeout") from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise httpx.ReadError(str(error) or type(error).__name__) from error


class _ReplyChunks(httpx.SyncByteStream):
    """The bytes of a reply as they come."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __iter__(self) -> Iterator[bytes]:
        yield from self._inner

    def close(self) -> None:
        """End the reply."""
        if hasattr(self._inner, "close"):
            self._inner.close()


class _UnpackedBody(_ReplyChunks):
    """The unpacked bytes of a reply, up to the bound.

    Args:
        inner: the bytes as they come.
        encoding: the reply's Content-Encoding.
    """

    def __init__(self, inner: Any, encoding: str) -> None:
        super().__init__(inner)
        self._encoding = encoding.strip().lower()

    def __iter__(self) -> Iterator[bytes]:
        count = 0
        with _as_httpx_errors():
            for chunk in self._unpacked():
                count += len(chunk)
                # A server could send for ever: httpx bounds the time of one read, not of all.
                if count > MAX_BYTES:
                    raise TooLargeError(f"the reply is larger than {MAX_BYTES >> 20} MB")
                yield chunk

    def _unpacked(self) -> Iterator[bytes]:
        """Yield pieces of bounded size: a few bytes of gzip may stand for gigabytes."""
        if self._encoding in ("", "identity"):
            yield from self._inner
            return
        if self._encoding not in _ZLIB:
            raise httpx.DecodingError(f"the reply is encoded as {self._encoding[:40]}, unasked")
        unpacker = zlib.decompressobj(wbits=_GZIP_OR_ZLIB)
        for chunk in self._inner:
            packed = chunk
            while packed and not unpacker.eof:
                try:
                    yield unpacker.decompress(packed, _PIECE)
                except zlib.error as error:
                    raise httpx.DecodingError(str(error)) from error
                packed = unpacker.unconsumed_tail


def _limit_body(response: httpx.Response) -> None:
    """Bound what the reply unpacks to; httpx itself would unpack without one."""
    response.stream = _UnpackedBody(response.stream, response.headers.pop("content-encoding", ""))


class BoundedTransport(httpx.BaseTransport):
    """Sends requests; each reply, headers included, must be there within `seconds`."""

    def __init__(self, seconds: float, connections: int) -> None:
        self._seconds, self._deadline = seconds, _Deadline()
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            max_connections=connections,
            network_backend=_BoundedBackend(self._deadline),
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
        core_request = httpcore.Request(
            method=request.method,
            url=url,
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _as_httpx_errors():
            reply = self._pool.handle_request(core_request)
        response = httpx.Response(
            reply.status,
            headers=reply.headers,
            stream=_ReplyChunks(reply.stream),
            extensions=reply.extensions,
        )
        _limit_body(response)
        return response

    def close(self) -> None:
        """End all connections."""
        self._pool.close()


def make_client(seconds: float, connections: int) -> httpx.Client:
    """Return a client with these bounds; through a proxy of the environment only bodies are
    bounded."""
    if getproxies():
        hooks = {"response": [_limit_body]}
        return httpx.Client(timeout=seconds, headers=_PLAIN, event_hooks=hooks)
    transport = BoundedTransport(seconds, connections)
    return httpx.Client(timeout=seconds, headers=_PLAIN, transport=transport)
