"""Learns on a run what routing gains: `curate route --fit`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from curate.models.embed.frame import embed_frame
from curate.people.judged import by_people, judged_by_both
from curate.people.kinds import TOPIC, kinds, topics
from curate.people.route_fit import RouteFit, fit_route
from curate.people.signals import binned, features

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from curate.models.embed.settings import EmbedderConfig
    from curate.steps.context import Progress


@dataclass(frozen=True)
class Learned:
    """What was learned of a run's pairs.

    Attributes:
        fit: gains of the features.
        free: (pairs,) whether no person judged the pair.
        kinds: levels of each pair beside those of `features`.
    """

    fit: RouteFit
    free: pl.Series
    kinds: pl.DataFrame

    def portable(self) -> dict[str, float]:
        """Gains that hold for other data: a topic's number means nothing there."""
        return {k: v for k, v in self.fit.coefficients.items() if not k.startswith(f"{TOPIC}=")}


def learn(
    pairs: pl.DataFrame,
    unsure: pl.Series,
    model: str,
    tags: Sequence[str],
    budget: int,
    seed: int,
    embedder: EmbedderConfig,
    media: Sequence[Path],
    progress: Progress,
) -> Learned:
    """Gains of lengths, overlap, uncertainty, tags and topics where people and a model judged.

    Args:
        pairs: the pair table.
        unsure: (pairs,) mean rank of scores that tell uncertainty; null where none does.
        model: its name among the annotators.
        tags: columns of the pairs, or keys of `extra`.
        budget: pairs that people can judge.
        seed: of mixtures, splits and topics.
        embedder: of the run.
        media: folders of images and audios.
        progress: where embedding is shown.

    Raises:
        CurateError: an unknown annotator or tag, or fewer than 200 pairs that both judged.
    """
    free = ~by_people(pairs, model)
    both = judged_by_both(pairs, model)
    known = kinds(pairs, unsure, tags)
    embedded, _ = embed_frame(pairs, embedder, "auto", progress, media=media)
    known = pl.DataFrame([*known, topics(embedded, seed)])
    bins = pl.concat([binned(features(pairs)), known], how="horizontal")
    # The fit is made for the share that will be routed: gains shrink as it grows.
    share = min(budget / max(int(free.sum()), 1), 1.0)
    return Learned(fit_route(both.judged(embedded, bins), share, seed), free, known)
