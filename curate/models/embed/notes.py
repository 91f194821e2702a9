"""What the user should know of how texts and media were embedded."""

from __future__ import annotations

from typing import Any


def embedding_notes(facts: dict[str, Any]) -> list[str]:
    """Return notes on the embedder that was chosen, and on what vectors do not see.

    Args:
        facts: of `embed_frame`.
    """
    return [*((facts["choice"],) if "choice" in facts else ()), *embedding_warnings(facts)]


def embedding_warnings(facts: dict[str, Any]) -> tuple[str, ...]:
    """Return what vectors do not see: media, ends of texts, and figures that were rounded away."""
    return (*_undecoded_media_notes(facts), *_rounding_notes(facts), *_truncation_notes(facts))


def _undecoded_media_notes(facts: dict[str, Any]) -> tuple[str, ...]:
    """Return notes that some media could not be embedded, and what became of their pairs."""
    if not facts.get("media_not_seen"):
        return ()
    return (
        f"{facts['media_not_seen']:,} of {facts['media']:,} media cannot be decoded: learned "
        f"scores are uninformative for their {facts['pairs_not_seen']:,} pairs; see media_health",
    )


def _rounding_notes(facts: dict[str, Any]) -> tuple[str, ...]:
    """Return notes on the error of int8 vectors."""
    if "int8" not in facts:
        return ()
    least, mean = (facts["int8"][name] for name in ("least_cosine", "mean_cosine"))
    return (
        f"vectors are computed in 8 bits: on {facts['int8']['texts']} texts their cosine with "
        f"those of float32 is {mean} on average and {least} at least",
    )


def _truncation_notes(facts: dict[str, Any]) -> tuple[str, ...]:
    """Return notes that texts were truncated before they were embedded."""
    return (facts["cut"],) if "cut" in facts else ()
