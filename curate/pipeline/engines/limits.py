"""What is asked of an engine, compared with what this machine and the network can give."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from curate.errors import CurateError

# More processes wait for each other, and each takes memory of its own.
_WORKERS_A_CORE = 8
# Ray itself would try for minutes.
_CONNECT_SECONDS = 5.0


def check_workers(workers: int | None, cores: int, where: str = "this machine") -> None:
    """Refuse more workers than could ever run, before thousands of processes are started."""
    most = max(cores * _WORKERS_A_CORE, 16)
    if workers is not None and workers > most:
        raise CurateError(
            "too many workers",
            where="engine.workers",
            found=f"{workers:,} on {cores} cores of {where}",
            expected=f"at most {most}",
        )


def check_reachable(address: str | None) -> None:
    """Refuse an address at which nothing listens: Ray tries it for minutes.

    Raises:
        CurateError: it names no host and port, or the connection is refused.
    """
    if address in (None, "auto", "local"):
        return
    text = str(address)
    parts = urlsplit(text if "://" in text else f"tcp://{text}")
    try:
        # Ray's default ports: of its client server and of a cluster's head.
        host, port = parts.hostname, parts.port or (10001 if parts.scheme == "ray" else 6379)
        if not host or " " in text:
            raise ValueError("no host")
        with socket.create_connection((host, port), timeout=_CONNECT_SECONDS):
            pass
    except (OSError, ValueError) as error:
        raise CurateError(
            "the Ray cluster is not reachable",
            where="engine.address",
            found=f"{text}: {error}",
            expected="HOST:PORT, ray://HOST:PORT, or auto",
            fix="give the address of a running cluster (ray status), or none to start one here",
        ) from None
