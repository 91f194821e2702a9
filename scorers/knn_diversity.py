"""How far a prompt is from its neighbours in embedding space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import Field

from curate import HIGHER, Cache, Column, Context, Input, Parameters, Scope, Scorer
from curate.scoring import compute_in_blocks, nearest_neighbours, take_rows
from curate.scoring.embeddings import EXACT_BELOW

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Distinct prompts can have equal vectors, whose log distance would be infinite.
_MIN_DISTANCE = 1e-6


class KNNDiversityParams(Parameters):
    """Parameters of `knn_diversity`."""

    k: int = Field(10, ge=1, description="Number of neighbours, without the prompt itself.")
    exact_below: int = Field(
        EXACT_BELOW,
        ge=1,
        description="Number of distinct prompts above which the search is approximate (IVF); its "
        "recall is measured on a sample.",
    )


class KNNDiversity(Scorer[KNNDiversityParams]):
    """Compute distances between distinct prompts in embedding space.

    `distance` is the mean Euclidean distance to the k nearest other prompts, `nearest` that to the
    nearest, both 0 to 2. `entropy` is the log of the distance to the k-th nearest, in nats: the
    k-nearest-neighbour entropy estimate up to a constant (Kozachenko and Leonenko 1987; FiFA, arXiv
    2410.10166). Pairs with the same prompt share its score. Use it beside a score of quality, for
    example in `topsis`; it says nothing about labels.

    Examples:
        >>> from curate import score
        >>> rows = [{"prompt": p, "chosen": "a", "rejected": "b"} for p in ("Hi!", "Hi!", "Bye!")]
        >>> distance = score(rows, "knn_diversity", k=1).frame["knn_diversity.distance"]
        >>> distance.n_unique()
        1
    """

    name = "knn_diversity"
    purpose = "duplicates, diversity, coverage"
    when = "Together with a score of quality in TOPSIS. Says nothing about labels."
    summary = "k-nearest-neighbour distance and entropy over distinct prompts"
    reference = "FiFA, arXiv 2410.10166 (k-NN entropy term); Kozachenko and Leonenko 1987"
    inputs = frozenset({Input.EMBEDDINGS})
    scope = Scope.PARTITIONED
    cache = Cache.WHOLE
    single_answer_columns = ("distance", "entropy", "nearest", "status")
    Params = KNNDiversityParams

    def columns(self) -> tuple[Column, ...]:
        """Return Euclidean distances between unit vectors, in [0, 2], and the entropy."""
        return (
            Column(
                "distance",
                "mean distance to the k nearest other prompts",
                "float",
                HIGHER,
                "Euclidean, 0 to 2",
            ),
            Column(
                "entropy",
                "log of the distance to the k-th nearest other prompt, floored at 1e-6",
                "float",
                HIGHER,
                "nats",
            ),
            Column(
                "nearest",
                "distance to the nearest other prompt",
                "float",
                HIGHER,
                "Euclidean, 0 to 2",
            ),
            Column("status", "ok, or 'single prompt' where there is no other", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return distances of distinct prompts; the kind of search and its recall are facts."""
        prompts, position = context.features.distinct("prompt")
        k = min(self.params.k, len(prompts) - 1)
        if k < 1:
            empty = {
                name: pl.Series([None] * len(pairs), dtype=pl.Float64)
                for name in ("distance", "entropy", "nearest")
            }
            return pl.DataFrame(empty).with_columns(status=pl.lit("single prompt"))
        if k < self.params.k:
            context.facts["k"] = k
            context.warnings.append(
                f"knn_diversity: only {len(prompts)} distinct prompts, so k = {k}"
            )
        # Prompts come first in the matrix, so that this is a view and not a copy.
        vectors = take_rows(context.features.vectors, prompts)
        where = (context.workers, context.scratch)
        seed = context.step_seed(self.name)
        neighbours = nearest_neighbours(vectors, k, self.params.exact_below, seed, *where)
        context.facts["neighbours"] = neighbours.facts

        def score_block(prompt_index: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
            distances = neighbours.distances[prompt_index]
            return {
                "distance": distances.mean(axis=1),
                # Kozachenko and Leonenko: log of the k-th distance, up to constants.
                "entropy": np.log(np.maximum(distances[:, -1], _MIN_DISTANCE)),
                "nearest": distances[:, 0],
            }

        status = pl.repeat("ok", len(pairs), eager=True).alias("status")
        return compute_in_blocks(context.scratch, score_block, position).hstack([status])
