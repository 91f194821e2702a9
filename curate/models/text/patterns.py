"""Regular expressions of users, run in linear time: a pattern or a text may be somebody else's.

Rust's engine, which polars brings, has no backtracking. It knows neither look-around nor references
to groups; a pattern with them is refused when the pipeline is planned.
"""

from __future__ import annotations

import polars as pl


def check_pattern(pattern: str) -> None:
    """Refuse what is no regular expression of the linear-time engine.

    Args:
        pattern: as the user wrote it.

    Raises:
        ValueError: it is none, or needs look-around, references, or too large a program.
    """
    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.ComputeError as error:
        lines = (line.strip() for line in str(error).splitlines())
        reason = next((line for line in lines if line.startswith("error:")), "error: too large")
        raise ValueError(
            f"{pattern!r} is no regular expression that runs in linear time, without look-around "
            f"and back-references ({reason.removeprefix('error:').strip()})"
        ) from None


def ignoring_case(pattern: str) -> str:
    """Return the pattern for texts in either case."""
    return f"(?i:{pattern})"
