"""Connections of the review page: nobody holds them open against the reviewer.

uvicorn waits forever for the headers of a request, and counts such connections against its limit:
63 of them locked the reviewer out.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS = 5.0
"""Within which a connection must send the headers of a request."""
MOST_STRANGERS = 64
"""Connections without a token that may wait for a request; of more the oldest is closed."""
CONNECTION = "connection"
"""Key of a `ConnectionState` in the state of each request."""


@dataclass
class ConnectionState:
    """What is known of a connection.

    Attributes:
        has_token: whether a request on it carried the token.
    """

    has_token: bool = False


def bounded_protocol() -> type[BoundedProtocol]:
    """Return the HTTP protocol class of one server, which counts that server's connections."""
    # A class for each server, since uvicorn makes the objects: two servers must not count each
    # other's.
    return type("ServerProtocol", (BoundedProtocol,), {"strangers": OrderedDict()})


class BoundedProtocol(H11Protocol):  # type: ignore[misc]
    """HTTP with a bound on the time and the number of connections that wait for a request.

    Attributes:
        strangers: connections without a token that wait for a request, the oldest first.
    """

    strangers: ClassVar[OrderedDict[BoundedProtocol, None]]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._state = ConnectionState()
        self._deadline: asyncio.TimerHandle | None = None
        self.app_state: dict[str, Any] = {**self.app_state, CONNECTION: self._state}

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._update_deadline()
        if len(self.strangers) > MOST_STRANGERS:
            next(iter(self.strangers)).transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._update_deadline()

    def on_response_complete(self) -> None:
        self._stop_waiting()
        super().on_response_complete()
        self._update_deadline()

    def _update_deadline(self) -> None:
        # While it is answered nobody waits for it.
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._deadline is None and not self.transport.is_closing():
            # Further bytes do not start it anew: a request must be complete in time.
            self._deadline = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)
            if not self._state.has_token:
                self.strangers[self] = None

    def _stop_waiting(self) -> None:
        self.strangers.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
