"""Learns on a run what routing gains: `curate route --fit`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from curate.models.embed.frame import embed_frame
from curate.people.doubly_judged import doubly_judged_pairs, voted_by_people
from curate.people.pair_categories import TOPIC, pair_categories, prompt_topics
from curate.people.routing_features import tercile_bins, text_features
from curate.people.routing_model import RouteFit, fit_routing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from curate.models.embed.settings import EmbedderConfig
    from curate.steps.context import Progress


@dataclass(frozen=True)
class LearnedRouting:
    """What was learned of a run's pairs.

    Attributes:
        fit: gains of the features.
        free: (pairs,) whether no person voted on the pair.
        pair_categories: levels of each pair besides those of `FEATURES`.
    """

    fit: RouteFit
    free: pl.Series
    pair_categories: pl.DataFrame

    def portable(self) -> dict[str, float]:
        """Return gains that hold for other data: a topic's number means nothing there."""
        # Topics are clusters of these prompts, and number 3 of another dataset is another one.
        return {k: v for k, v in self.fit.coefficients.items() if not k.startswith(f"{TOPIC}=")}


def learn_routing(
    pairs: pl.DataFrame,
    unsure: pl.Series,
    model: str,
    tags: Sequence[str],
    budget: int,
    seed: int,
    embedder: EmbedderConfig,
    media: Sequence[Path],
    progress: Progress,
) -> LearnedRouting:
    """Learn the gains of features from pairs on which people and a model voted.

    Args:
        pairs: the pair table.
        unsure: (pairs,) mean rank of uncertainty scores; null without any.
        model: its name among the annotators.
        tags: columns of the pairs, or keys of `extra`.
        budget: pairs that people can review.
        seed: of mixtures, splits and topics.
        embedder: of the run.
        media: folders of images and audios.
        progress: where embedding is shown.

    Raises:
        CurateError: an unknown annotator or tag, or fewer than 200 pairs with votes of both.
    """
    free = ~voted_by_people(pairs, model)
    doubly_judged = doubly_judged_pairs(pairs, model)
    categories = pair_categories(pairs, unsure, tags)
    embedded, _ = embed_frame(pairs, embedder, "auto", progress, media=media)
    categories = pl.DataFrame([*categories, prompt_topics(embedded, seed)])
    bins = pl.concat([tercile_bins(text_features(pairs)), categories], how="horizontal")
    # The fit is made for the share that will be routed: gains shrink as it grows.
    share = min(budget / max(int(free.sum()), 1), 1.0)
    return LearnedRouting(
        fit_routing(doubly_judged.routing_sample(embedded, bins), share, seed), free, categories
    )
