"""Regular expressions of users, run in linear time: a pattern or a text may be somebody else's.

Rust's engine, which polars brings, has no backtracking. It knows neither look-around nor references
to groups; a pattern with them is refused when the pipeline is planned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import polars as pl
from pydantic import AfterValidator

from curate.data.table import messages_text


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


def _check_patterns(patterns: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        check_pattern(pattern)
    return patterns


Patterns = Annotated[tuple[str, ...], AfterValidator(_check_patterns)]
"""Regular expressions as a parameter, each checked by `check_pattern`."""


def ignoring_case(pattern: str) -> str:
    """Return the pattern for texts in either case."""
    return f"(?i:{pattern})"


def opening_matches(pairs: pl.DataFrame, patterns: Sequence[str], within: int) -> pl.DataFrame:
    """Return whether the beginning of each answer matches one of the patterns: chosen, rejected.

    Case and the form of apostrophes do not count.

    Args:
        pairs: the pair table.
        patterns: regular expressions; without any nothing matches.
        within: number of characters from the start.
    """
    sides = ("chosen", "rejected")
    # An empty expression would match every text.
    if not patterns:
        return pairs.select(pl.lit(False).alias(side) for side in sides)
    pattern = "|".join(ignoring_case(p) for p in patterns)
    starts = ((side, messages_text(side).fill_null("").str.head(within)) for side in sides)
    return pairs.select(
        start.str.replace_all("\u2019", "'", literal=True).str.contains(pattern).alias(side)
        for side, start in starts
    )
