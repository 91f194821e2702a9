"""How far a prompt lies from its neighbours in embedding space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import Field

from curate import HIGHER, Column, Context, Parameters, Scorer
from curate.models.embed.neighbours import EXACT_BELOW, nearest_others, take_rows
from curate.store.row_blocks import in_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FLOOR = 1e-6


class KNNDiversityParams(Parameters):
    """Parameters of `knn_diversity`."""

    k: int = Field(10, ge=1, description="Neighbours, the prompt itself left out.")
    exact_below: int = Field(
        EXACT_BELOW,
        ge=1,
        description="Distinct prompts from which on the search is approximate (IVF), with its "
        "recall measured on a sample.",
    )


class KNNDiversity(Scorer[KNNDiversityParams]):
    """Distances among distinct prompts: pairs that share a prompt share its score.

    Entropy is the k-nearest-neighbour (particle) estimate up to a constant: the log of the distance
    to the k-th neighbour (Kozachenko and Leonenko 1987; FiFA, arXiv 2410.10166).
    """

    name = "knn_diversity"
    purpose = "duplicates, diversity, coverage"
    when = "Beside a score of quality in TOPSIS. Says nothing of labels."
    summary = "k-nearest-neighbour distance and entropy over distinct prompts"
    reference = "FiFA, arXiv 2410.10166 (k-NN entropy term); Kozachenko and Leonenko 1987"
    needs_embeddings = True
    in_parts = True
    stored = True
    reads_texts = False
    Params = KNNDiversityParams

    def columns(self) -> tuple[Column, ...]:
        """Distances are Euclidean between unit vectors, in [0, 2]."""
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
        """Neighbours among the distinct prompts; the kind of search and its recall are facts."""
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
        # Prompts are numbered first, so that theirs are the first rows: a view, not a copy.
        vectors = take_rows(context.features.vectors, prompts)
        where = (context.workers, context.workspace)
        seed = context.step_seed(self.name)
        found = nearest_others(vectors, k, self.params.exact_below, seed, *where)
        context.facts["neighbours"] = found.facts

        def of(place: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
            distances = found.distances[place]
            return {
                "distance": distances.mean(axis=1),
                "entropy": np.log(np.maximum(distances[:, -1], _FLOOR)),
                "nearest": distances[:, 0],
            }

        status = pl.repeat("ok", len(pairs), eager=True).alias("status")
        return in_blocks(context.workspace, of, position).hstack([status])
