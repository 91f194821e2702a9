"""What a filter by a score does to length, refusals and lists among the preferred answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from curate.data.hashes import select_in_batches
from curate.data.pair_rows import PairRows
from curate.data.table import messages_text
from curate.errors import CurateError
from curate.models.text.traits import TRAITS
from curate.pipeline.plan import FilterStep
from curate.pipeline.scorer_step import ScorerStep

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LOOKED_AT = 20_000
"""Pairs that are looked at, evenly spaced."""
# Change of a share from which on it is told: a tenth of the pairs is no chance.
_MOVED = 0.1
# AUROC from which on length is taken for the whole reason of a choice.
_TOLD_BY_LENGTH = 0.9
# Of fewer pairs a share says nothing.
_FEWEST = 20
# The largest; a mixture of hundreds would fill the manifest.
_SOURCES = 10
# Weight below which a pair counts as acted upon.
_HALF = 0.5
_TRAITS = {"refuses": TRAITS["refusal"], "lists": TRAITS["list items"]}
_NAMES = {"longer": "is longer", "refuses": "alone refuses", "lists": "alone holds a list"}


def watch(
    before: PairRows, after: PairRows, weight: str | None = None
) -> tuple[dict[str, Any], list[str]]:
    """Facts and warnings of one filter.

    For each trait the share of pairs, of those in which the answers differ in it, whose preferred
    answer has it, before and after; and the share of each source. And how well length alone tells
    which labels the filter dropped, flipped or gave less than half a weight: the area under the ROC
    curve of chosen minus rejected characters.

    Args:
        before: pairs that the filter was given.
        after: those that it kept, labels as it left them.
        weight: column of `after` with training weights, where the filter gives some.
    """
    some, kept = _looked_at(before, after)
    columns = ["chosen", "rejected", "source"]
    first_of, left = some.select(columns), kept.select([*columns, *([weight] if weight else [])])
    was, now = _signs(first_of), _signs(left)
    weights = None if weight is None else left[weight].fill_null(1.0).to_numpy()
    facts: dict[str, Any] = {}
    warnings: list[str] = []
    for name, said in _NAMES.items():
        shares = _share(was[name].to_numpy()), _share(now[name].to_numpy(), weights)
        facts[name] = list(shares)
        warnings += _moved(said, *shares)
    sources, moved = _sources(first_of["source"], left["source"], weights)
    if sources:
        facts["source"] = sources
    warnings += moved
    touched = _touched(was, now, pl.Series(some.rows), pl.Series(kept.rows), weights)
    facts["acts_on"], facts["of"] = int(touched.sum()), len(touched)
    told = _told_by_length(touched, was["size"].to_numpy())
    facts["length_auroc"] = told
    if told is not None and max(told, 1.0 - told) > _TOLD_BY_LENGTH:
        warnings.append(
            f"which labels it acts on is told by length alone (AUROC {max(told, 1 - told):.2f}): "
            "it may remove a bias, or the sound labels of short answers; judge some with "
            "'curate route --random' and 'curate audit --gold' before you trust it"
        )
    return {"bias": facts}, warnings


def _looked_at(before: PairRows, after: PairRows) -> tuple[PairRows, PairRows]:
    """Evenly spaced pairs of those that a filter was given, and those of them that it kept."""
    spaced = np.zeros(len(before), dtype=np.bool_)
    spaced[:: max(len(before) // _LOOKED_AT, 1)] = True
    some = before.where(spaced)
    # By marks: to look millions of rows up would sort all of them.
    marks = np.zeros(len(before.table), dtype=np.bool_)
    marks[some.rows] = True
    return some, after.where(marks[after.rows])


def _moved(said: str, first: float | None, last: float | None) -> list[str]:
    """The warning that a filter changes how often the preferred answer has a trait."""
    if first is None or last is None or abs(last - first) <= _MOVED:
        return []
    return [
        f"it changes how often the preferred answer {said}: from {first:.0%} to {last:.0%} of the "
        "pairs that differ in it; a model may learn that from the labels"
    ]


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


def _share(
    signs: NDArray[np.integer[Any]], weights: NDArray[np.float64] | None = None
) -> float | None:
    """Share of +1 among the signs that are not 0, by weight."""
    some = signs != 0
    if int(some.sum()) < _FEWEST:
        return None
    weight = np.ones(len(signs)) if weights is None else weights
    total = float(weight[some].sum())
    return round(float(weight[signs > 0].sum()) / total, 4) if total > 0 else None


def _sources(
    was: pl.Series, now: pl.Series, weights: NDArray[np.float64] | None
) -> tuple[dict[str, list[float]], list[str]]:
    """Share of each source before and after, the largest first, and warnings; none of a single."""
    before = was.value_counts(name="n", sort=True).head(_SOURCES)
    if len(before) < 2:
        return {}, []
    weight = np.ones(len(now)) if weights is None else weights
    total = float(weight.sum()) or 1.0
    found, warnings = {}, []
    for source, count in before.iter_rows():
        first = count / len(was)
        last = float(weight[(now == source).fill_null(False).to_numpy()].sum()) / total
        found[str(source)] = [round(first, 4), round(last, 4)]
        if abs(last - first) > _MOVED:
            warnings.append(
                f"the source '{source}' goes from {first:.0%} to {last:.0%} of the pairs"
            )
    return found, warnings


def _touched(
    was: pl.DataFrame,
    now: pl.DataFrame,
    given: pl.Series,
    kept: pl.Series,
    weights: NDArray[np.float64] | None,
) -> NDArray[np.bool_]:
    """Whether each pair was dropped or flipped, or lost more than half of its weight."""
    weight = pl.lit(1.0) if weights is None else pl.Series(weights)
    same = pl.DataFrame({"i": kept, "now": now["size"]}).with_columns(w=weight)
    both = pl.DataFrame({"i": given, "was": was["size"]}).join(
        same, on="i", how="left", maintain_order="left"
    )
    gone = both["now"].is_null() | (both["now"] != both["was"]) | (both["w"] < _HALF)
    found: NDArray[np.bool_] = gone.fill_null(True).to_numpy()
    return found


def _told_by_length(touched: NDArray[np.bool_], size: NDArray[np.int64]) -> float | None:
    """AUROC of the length difference for labels that the filter acts on."""
    if min(int(touched.sum()), int((~touched).sum())) < _FEWEST:
        return None
    from sklearn.metrics import roc_auc_score  # half a second, which most runs need not wait

    return round(float(roc_auc_score(touched, size)), 4)


def refuse_length_alone(
    step: FilterStep, learned: Sequence[ScorerStep], facts: dict[str, Any]
) -> None:
    """Stop where length alone tells which labels a filter by learned scores acts on.

    Raises:
        CurateError: with the ways out.
    """
    bias = facts.get("bias", {})
    told = bias.get("length_auroc")
    if told is None or max(told, 1.0 - told) <= _TOLD_BY_LENGTH:
        return
    before, after = bias["longer"]
    names = [s.name for s in learned if "within" in type(s.scorer.params).model_fields]
    ways = [f"'within: [length]' or 'style: false' at the scorer '{name}'" for name in names]
    moved = (
        "" if None in (before, after) else f"; chosen is longer in {before:.0%}, then {after:.0%}"
    )
    raise CurateError(
        "length alone tells which labels the filter acts on: it may teach length",
        where=f"filter '{step.name}', which reads {', '.join(s.name for s in learned)}",
        found=f"{bias['acts_on']:,} of {bias['of']:,} pairs, told by the difference in length with "
        f"an AUROC of {max(told, 1.0 - told):.2f}{moved}",
        expected="a choice of yours; scores are kept, the next run takes them",
        fix="; ".join(
            [
                *ways,
                "or, if short (or long) chosen answers are wrong in this data, accept it with "
                "'accept_bias: true' or --accept-bias",
            ]
        ),
    )
