"""What pairs hold besides plain texts, and which forms have a place for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from curate.data.message_parts import (
    MESSAGE_PARTS,
    parts_of,
    whole,
)
from curate.data.row_parts import MEDIA_PARTS, ROW_PARTS, present
from curate.errors import CurateError

if TYPE_CHECKING:
    from curate.write.exports.base import Export

FILE_BYTES = "bytes of media"
"""Media that are in the table themselves, and no paths or URLs."""
TURNS = ("prompt", "chosen", "rejected")
ALL_PARTS = (*MESSAGE_PARTS, *ROW_PARTS, FILE_BYTES)


def found_parts(pairs: pl.DataFrame) -> Counter[str]:
    """The parts that some pairs have, and how many pairs have each, in the order of `ALL_PARTS`."""
    counts: Counter[str] = Counter()
    for row in _with_more(pairs).iter_rows():
        counts.update({p for turns in row for m in turns or () if m["more"] for p in _of(m)})
    for name in present(pairs):
        counts[name] = len(pairs) - pairs[name].null_count()
    counts[FILE_BYTES] = _with_bytes(pairs)
    return Counter({part: counts[part] for part in ALL_PARTS if counts[part]})


def _of(message: Mapping[str, Any]) -> Iterator[str]:
    return parts_of(whole(message))


def _with_more(pairs: pl.DataFrame) -> pl.DataFrame:
    """The turns of the pairs in which a message is more than its text."""
    more = pl.element().struct.field("more").is_not_null()
    turns = pairs.select(pl.col(c) for c in TURNS if c in pairs.columns)
    some = [pl.col(c).list.eval(more).list.any().fill_null(False) for c in turns.columns]
    return turns.filter(pl.any_horizontal(some)) if some else turns


def _with_bytes(pairs: pl.DataFrame) -> int:
    """Pairs with media whose bytes are in the table."""
    data = pl.element().struct.field("bytes").is_not_null()
    media = [c for c in present(pairs) if c in MEDIA_PARTS]
    if not media:
        return 0
    some = [pl.col(c).list.eval(data).list.any().fill_null(False) for c in media]
    return int(pairs.select(pl.any_horizontal(some).sum()).item())


def unheld(form: Export, parts: Mapping[str, int], file_type: str) -> dict[str, int]:
    """The parts for which the form has no place, and how many pairs have each."""
    holds = held_by(form, file_type)
    return {part: count for part, count in parts.items() if part not in holds}


def held_by(form: Export, file_type: str) -> frozenset[str]:
    """The parts for which a form has a place in this kind of file, as they are or rewritten."""
    holds = form.holds | form.rewrites.keys()
    # JSON has no place for bytes, and no trainer decodes them from a text.
    return holds - {FILE_BYTES} if file_type == "jsonl" else holds


def check_held(
    form: Export,
    parts: Mapping[str, int],
    file_type: str,
    pairs: int,
    others: Sequence[str],
    where: str,
) -> None:
    """Refuse to write pairs whose parts the form would lose.

    Args:
        form: of the export.
        parts: that the pairs have, and how many have each.
        file_type: of the shards.
        pairs: number of all pairs.
        others: the forms that hold all these parts.
        where: the form is asked for.

    Raises:
        CurateError: with the parts, the number of pairs that have each, and the other forms.
    """
    lost = unheld(form, parts, file_type)
    if lost:
        forms = ", ".join(others) or "none in this kind of file (see file_type)"
        raise CurateError(
            f"the format '{form.name}' has no place for parts of the data",
            where=where,
            found="; ".join(f"{part} in {n:,} of {pairs:,} pairs" for part, n in lost.items()),
            expected=f"a format that holds them: {forms}",
            fix="choose one of these, or lose the parts with allow_loss: true (--allow-loss)",
        )


def loss_told(form: Export, parts: Mapping[str, int], file_type: str) -> list[str]:
    """Warnings: what is lost, and what is written in another spelling."""
    lost = unheld(form, parts, file_type)
    told = [
        f"{part} of {count:,} pairs are lost in the format '{form.name}' (allow_loss)"
        for part, count in lost.items()
    ]
    rewritten = {part: n for part, n in parts.items() if part in form.rewrites}
    return told + [f"{part} of {n:,} pairs: {form.rewrites[part]}" for part, n in rewritten.items()]
