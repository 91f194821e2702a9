"""What a filter by a score does to length, refusals and lists among the preferred answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from sklearn.metrics import roc_auc_score

from curate.data.hashes import select_in_batches
from curate.data.table import messages_text
from curate.models.text.traits import TRAITS

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LOOKED_AT = 20_000
"""Pairs that are looked at, evenly spaced."""
_MOVED = 0.1
_TOLD_BY_LENGTH = 0.9
_FEWEST = 20
_TRAITS = {"refuses": TRAITS["refusal"], "lists": TRAITS["list items"]}
_NAMES = {"longer": "is longer", "refuses": "alone refuses", "lists": "alone holds a list"}


def watch(
    before: pl.DataFrame, after: pl.DataFrame, index: str
) -> tuple[dict[str, Any], list[str]]:
    """Facts and warnings of one filter.

    For each trait the share of pairs, of those in which the answers differ in it, whose preferred
    answer has it, before and after. And how well length alone tells which labels the filter dropped
    or flipped: the area under the ROC curve of chosen minus rejected characters.

    Args:
        before: pairs that the filter was given.
        after: those that it kept, labels as it left them.
        index: column of numbers that both share.
    """
    some = before.gather_every(max(len(before) // _LOOKED_AT, 1))
    left = after.filter(pl.col(index).is_in(some[index].implode()))
    was, now = _signs(some), _signs(left)
    facts: dict[str, Any] = {}
    warnings = []
    for name, said in _NAMES.items():
        first, last = _share(was[name].to_numpy()), _share(now[name].to_numpy())
        facts[name] = [first, last]
        if first is not None and last is not None and abs(last - first) > _MOVED:
            warnings.append(
                f"it changes how often the preferred answer {said}: from {first:.0%} to "
                f"{last:.0%} of the pairs that differ in it; a model may learn that from the labels"
            )
    told = _told_by_length(was, now, some[index], left[index])
    facts["length_auroc"] = told
    if told is not None and max(told, 1.0 - told) > _TOLD_BY_LENGTH:
        warnings.append(
            f"which labels it acts on is told by length alone (AUROC {max(told, 1 - told):.2f}): "
            "it may remove a bias, or the sound labels of short answers; judge some with "
            "'curate route --random' and 'curate audit --gold' before you trust it"
        )
    return {"bias": facts}, warnings


def _signs(pairs: pl.DataFrame) -> pl.DataFrame:
    """+1 where the preferred answer has more of a trait, -1 where the other has; and lengths."""
    texts = {side: messages_text(side) for side in ("chosen", "rejected")}
    size = texts["chosen"].str.len_chars().cast(pl.Int64) - texts["rejected"].str.len_chars()
    has = {
        name: texts["chosen"].str.contains(pattern).cast(pl.Int8)
        - texts["rejected"].str.contains(pattern).cast(pl.Int8)
        for name, pattern in _TRAITS.items()
    }
    return select_in_batches(pairs, size=size, longer=size.sign(), **has)


def _share(signs: NDArray[np.integer[Any]]) -> float | None:
    """Share of +1 among the signs that are not 0."""
    count = int((signs != 0).sum())
    return round(float((signs > 0).sum() / count), 4) if count >= _FEWEST else None


def _told_by_length(
    was: pl.DataFrame, now: pl.DataFrame, given: pl.Series, kept: pl.Series
) -> float | None:
    """AUROC of the length difference for labels that were dropped or flipped."""
    same = pl.DataFrame({"i": kept, "now": now["size"]})
    both = pl.DataFrame({"i": given, "was": was["size"]}).join(same, on="i", how="left")
    touched = (both["now"].is_null() | (both["now"] != both["was"])).to_numpy()
    counts: Sequence[int] = (int(touched.sum()), int((~touched).sum()))
    if min(counts) < _FEWEST:
        return None
    return round(float(roc_auc_score(touched, both["was"].to_numpy())), 4)
