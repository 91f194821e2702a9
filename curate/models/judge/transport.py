"""How replies travel: within a total time and a total size, whatever the server does."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

import httpx

MAX_BYTES = 8 << 20
"""Of one reply, unpacked: far beyond any that a question asks for."""
_ZLIB = ("gzip", "x-gzip", "deflate")
# Has zlib find out which of the two it is.
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class TooLargeError(Exception):
    """The reply is larger than `MAX_BYTES`."""


class BoundedClient(httpx.AsyncClient):
    """A client to which each reply, headers included, must come within a time and a size.

    Args:
        seconds: from the request to the last byte; httpx bounds the time of one read, not of all.
        connections: open at a time.
    """

    def __init__(self, seconds: float, connections: int) -> None:
        super().__init__(
            timeout=seconds,
            headers={"accept-encoding": "identity"},
            limits=httpx.Limits(max_connections=connections),
        )
        self._total_seconds = seconds

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send one request, and return its reply with all of the body."""
        try:
            async with asyncio.timeout(self._total_seconds):
                response = await super().send(request, **options | {"stream": True})
                try:
                    body = await _read_body(response)
                finally:
                    await response.aclose()
        except TimeoutError as error:
            message = "the reply took longer than the timeout"
            raise httpx.ReadTimeout(message, request=request) from error
        # The body is unpacked already, which httpx must not try again.
        response.headers.pop("content-encoding", None)
        return httpx.Response(
            response.status_code, headers=response.headers, content=body, request=request
        )


async def _read_body(response: httpx.Response) -> bytes:
    """Return the unpacked body; httpx itself would unpack a few bytes of gzip to gigabytes."""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity", *_ZLIB):
        raise httpx.DecodingError(f"the reply is encoded as {encoding[:40]}, unasked")
    unpacker = zlib.decompressobj(wbits=_GZIP_OR_ZLIB) if encoding in _ZLIB else None
    body = bytearray()
    async for chunk in response.aiter_raw():
        try:
            # One byte beyond the bound is enough to know, and is all that is unpacked.
            body += unpacker.decompress(chunk, MAX_BYTES + 1 - len(body)) if unpacker else chunk
        except zlib.error as error:
            raise httpx.DecodingError(str(error)) from error
        if len(body) > MAX_BYTES:
            raise TooLargeError(f"the reply is larger than {MAX_BYTES >> 20} MB")
        if unpacker is not None and unpacker.eof:
            break
    return bytes(body)
