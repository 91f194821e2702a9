"""A map of the prompts: similar prompts are close to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from curate.steps.features import Features

# t-SNE takes a second for so many, and more points hide each other.
MAX_PROMPTS = 1000
# Fewer points form no groups that one could see.
MIN_PROMPTS = 20
PROMPT_MAP_FILE = "prompt_map.parquet"
# scikit-learn's default.
_PERPLEXITY = 30.0
# Fewer than the default of 1,000: the map is for the eye.
_STEPS = 400
_ANGLE = 0.8


def prompt_map(pairs: pl.DataFrame, features: Features) -> pl.DataFrame | None:
    """Return places of prompts in the plane by t-SNE (van der Maaten and Hinton 2008) of
    embeddings.

    Args:
        pairs: the pair table.
        features: features of these pairs.

    Returns:
        pair_id (of the prompt's first pair), x, y for at most 1,000 distinct prompts drawn at
        random; None where there are fewer than 20.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    prompts, first_pair = np.unique(features.index["prompt"], return_index=True)
    if len(prompts) < MIN_PROMPTS:
        return None
    rng = np.random.default_rng(0)
    sample = np.sort(rng.permutation(len(prompts))[:MAX_PROMPTS])
    vectors = np.asarray(features.vectors[prompts[sample]], dtype=np.float32)
    perplexity = min(_PERPLEXITY, (len(sample) - 1) / 3)
    # A coarser approximation of distant points: at this size the difference is invisible.
    reducer = TSNE(
        2, init="pca", perplexity=perplexity, max_iter=_STEPS, angle=_ANGLE, random_state=0
    )
    # Threads that wait for each other on so few points cost several times what they save.
    with threadpool_limits(1):
        coordinates = reducer.fit_transform(vectors)
    ids = pairs["pair_id"][first_pair[sample].tolist()]
    return pl.DataFrame({"pair_id": ids, "x": coordinates[:, 0], "y": coordinates[:, 1]})
