"""The order in which a diverse subset is picked, over prompts or preference directions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from curate import HIGHER, LOWER, Cache, Column, Context, Input, Parameters, Scorer, Standing
from curate.scoring import need, train_out_of_fold
from curate.scoring.heads import HeadSpec, has_too_few_prompts

if TYPE_CHECKING:
    from numpy.typing import NDArray

# pyversity's names; k_centre is missing here, since it has no such strategy.
_STRATEGIES = {"dpp": "dpp", "facility_location": "cover", "max_sum": "msd", "mmr": "mmr"}
# Few repeats are enough: margins only weigh the choice.
_REPEATS, _FOLDS = 2, 5
_DEFAULT_SHARE = 0.5
NOT_PICKED = "not picked"


class DiverseSubsetParams(Parameters):
    """Parameters of `diverse_subset`: at most one of `share` and `rows`."""

    method: Literal["k_centre", "dpp", "facility_location", "max_sum", "mmr"] = Field(
        "k_centre",
        description="k_centre: always the item farthest from those picked; dpp: a determinantal "
        "point process, greedily; facility_location: best coverage; max_sum: largest distances; "
        "mmr: maximal marginal relevance.",
    )
    over: Literal["prompts", "directions"] = Field(
        "prompts", description="Distinct prompts, or chosen minus rejected of each pair."
    )
    share: float | None = Field(
        None, gt=0, le=1, description="Share of the items to pick; default 0.5."
    )
    rows: int | None = Field(None, ge=1, description="Number of items to pick.")
    quality: Literal["none", "margin"] = Field(
        "none", description="margin: held-out margin of the label (of a prompt the largest)."
    )
    diversity: float = Field(
        1.0, ge=0, le=1, description="1: diversity only; 0: quality only. Not for k_centre."
    )

    @model_validator(mode="after")
    def _one(self) -> DiverseSubsetParams:
        if self.share is not None and self.rows is not None:
            raise ValueError("give one of share and rows, not both")
        if self.method == "k_centre" and self.quality != "none":
            raise ValueError(
                "k_centre does not use quality: choose another method, or quality: none"
            )
        return self


class DiverseSubset(Scorer[DiverseSubsetParams]):
    """Rank items in the order in which a greedy method for diverse subsets picks them.

    `picked` says whether the item is in the subset, `rank` is its position, 1 first. `k_centre`
    always picks the item farthest from those picked (Gonzalez 1985, a 2-approximation); `dpp`
    (arXiv 1709.05135), `facility_location`, `max_sum` and `mmr` are pyversity's. Time grows with
    items times picks: use it for some ten thousand items. Keep the subset by {type: expression,
    keep: "`diverse_subset.picked`"}.

    Examples:
        >>> vectors = np.array([[0.0], [1.0], [10.0], [11.0]], dtype=np.float32)
        >>> k_centre(vectors, 3).tolist()
        [1, 3, 0]
    """

    name = "diverse_subset"
    purpose = "duplicates, diversity, coverage"
    standing = Standing.RESEARCH
    when = (
        "To cut a dataset to a budget of some ten thousand items. A diverse half trained no better "
        "than a random half: accuracy -.014 by prompts and +.002 by directions on clean labels, "
        "-.005 and -.016 at 20 % flips."
    )
    summary = "a diverse subset by k-centre, DPP, facility location, max-sum or MMR"
    reference = "Gonzalez 1985; Chen et al. 2018, arXiv 1709.05135 (DPP); pyversity"
    inputs = frozenset({Input.EMBEDDINGS})
    cache = Cache.WHOLE
    Params = DiverseSubsetParams

    def columns(self) -> tuple[Column, ...]:
        """Return the pick and its rank."""
        return (
            Column("picked", "the item belongs to the subset", "bool", HIGHER),
            Column("rank", "position in the order of picking, 1 first", "int", LOWER),
            Column("status", f"ok, or '{NOT_PICKED}'", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return picks of all pairs; pairs with the same prompt share one item."""
        vectors, position = self._items(context)
        quality = self._quality(pairs, context, position, len(vectors))
        p = self.params
        target_count = (
            p.rows if p.rows is not None else round((p.share or _DEFAULT_SHARE) * len(vectors))
        )
        target_count = min(max(target_count, 1), len(vectors)) if len(vectors) else 0
        if p.method == "k_centre":
            order = k_centre(vectors, target_count)
        else:
            order = self._diversified(vectors, quality, target_count)
        context.facts["items"] = len(vectors)
        context.facts["picked"] = len(order)
        rank = np.zeros(len(vectors), dtype=np.int64)
        rank[order] = np.arange(1, len(order) + 1)
        pair_ranks = pl.DataFrame({"r": rank[position]})
        return pair_ranks.select(
            picked=pl.col("r") > 0,
            rank=pl.when(pl.col("r") > 0).then("r"),
            status=pl.when(pl.col("r") > 0).then(pl.lit("ok")).otherwise(pl.lit(NOT_PICKED)),
        )

    def _diversified(
        self, vectors: NDArray[np.float32], quality: NDArray[np.float64], target_count: int
    ) -> NDArray[np.int64]:
        """Return the order in which pyversity picks items."""
        p = self.params
        need("pyversity", "methods", f"scorer '{self.name}', method: {p.method}")
        from pyversity import Strategy, diversify

        strategy = Strategy(_STRATEGIES[p.method])
        selection = diversify(
            vectors, quality, k=target_count, strategy=strategy, diversity=p.diversity
        )
        return np.asarray(selection.indices, dtype=np.int64)

    def _items(self, context: Context) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return unit vectors of the items, and each pair's item."""
        features = context.features
        if self.params.over == "prompts":
            prompts, position = features.distinct("prompt")
            return np.asarray(features.vectors[prompts], dtype=np.float32), position
        unit = features.directions().astype(np.float32)
        return unit, np.arange(len(unit))

    def _quality(
        self, pairs: pl.DataFrame, context: Context, position: NDArray[np.int64], items: int
    ) -> NDArray[np.float64]:
        """Return quality of each item, 0 to 1."""
        if self.params.quality == "none" or has_too_few_prompts(pairs, context):
            return np.ones(items)
        heads = train_out_of_fold(pairs, context, HeadSpec(), _REPEATS, _FOLDS)
        # A prompt's quality is that of its best pair. Ranks: margins and distances share no unit.
        best = np.full(items, -np.inf)
        np.maximum.at(best, position, heads.margins().mean(axis=1))
        return best.argsort().argsort() / max(items - 1, 1)


def k_centre(vectors: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Return rows in the order of Gonzalez's greedy k-centre, (count,).

    The first is the row nearest the mean; each next one lies farthest from all before it, so that
    the largest distance of any row to its nearest pick is at most twice the least possible.
    """
    picked = np.empty(count, dtype=np.int64)
    if count == 0:
        return picked
    # Gonzalez allows any start; the row nearest the mean makes the order deterministic.
    picked[0] = int(np.argmin(np.square(vectors - vectors.mean(axis=0)).sum(axis=1)))
    nearest = np.full(len(vectors), np.inf)
    for number in range(1, count):
        distance = np.square(vectors - vectors[picked[number - 1]]).sum(axis=1)
        # Only the newest pick can be nearer than the earlier ones: no distance is computed twice.
        nearest = np.minimum(nearest, distance)
        picked[number] = int(np.argmax(nearest))
    return picked
