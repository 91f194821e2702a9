"""How far a prompt lies from its neighbours in embedding space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import faiss
import numpy as np
import polars as pl
from pydantic import Field

from curate.context import Context, batches
from curate.steps import HIGHER, Column, Parameters, Scorer

if TYPE_CHECKING:
    from numpy.typing import NDArray

_QUERY_ROWS = 4096
_FLOOR = 1e-6


class KNNDiversityParams(Parameters):
    """Parameters of `knn_diversity`."""

    k: int = Field(10, ge=1, description="Neighbours, the prompt itself left out.")


class KNNDiversity(Scorer[KNNDiversityParams]):
    """Distances among distinct prompts: pairs that share a prompt share its score.

    Entropy is the k-nearest-neighbour (particle) estimate up to a constant: the log of the distance
    to the k-th neighbour (Kozachenko and Leonenko 1987; FiFA, arXiv 2410.10166).
    """

    name = "knn_diversity"
    summary = "k-nearest-neighbour distance and entropy over distinct prompts"
    reference = "FiFA, arXiv 2410.10166 (k-NN entropy term); Kozachenko and Leonenko 1987"
    needs_embeddings = True
    stored = True
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
        """Neighbours by exact search among the distinct prompts."""
        prompts, position = np.unique(context.features.index["prompt"], return_inverse=True)
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
        distances = neighbour_distances(context.features.vectors[prompts], k)[position]
        return pl.DataFrame(
            {
                "distance": distances.mean(axis=1),
                "entropy": np.log(np.maximum(distances[:, -1], _FLOOR)),
                "nearest": distances[:, 0],
            }
        ).with_columns(status=pl.lit("ok"))


def neighbour_distances(vectors: NDArray[np.float32], k: int) -> NDArray[np.float64]:
    """Euclidean distances of each row to its k nearest other rows, ascending; (rows, k).

    `vectors` have length 1; the search is exact.
    """
    vectors = np.ascontiguousarray(vectors)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    out = np.empty((len(vectors), k))
    for rows in batches(len(vectors), _QUERY_ROWS):
        similarity, found = index.search(vectors[rows], k + 1)
        own = np.arange(rows.start, rows.stop)[:, None]
        # The row itself is one of its k + 1 neighbours, unless others lie at the same point.
        is_self = found == own
        is_self[~is_self.any(axis=1), -1] = True
        others = similarity[~is_self].reshape(-1, k).astype(np.float64)
        out[rows] = np.sqrt(np.maximum(2.0 - 2.0 * others, 0.0))
    return out
