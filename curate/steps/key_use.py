"""Which key a step would send, and to whom."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KeyUse:
    """A key that a step would send to a server.

    Attributes:
        host: of the server.
        variable: environment variable that holds the key.
        is_encrypted: whether the connection is; else whoever carries it reads the key.
    """

    host: str
    variable: str
    is_encrypted: bool = True
