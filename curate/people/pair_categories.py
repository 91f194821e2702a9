"""Categories of pairs beyond word counts: topics, tags of the data, certainty of scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from sklearn.cluster import KMeans

from curate.data.json_fields import extra_value
from curate.data.table import BATCH_ROWS, PAIR_COLUMNS, batch_slices
from curate.errors import CurateError
from curate.people.routing_features import FEATURES, tercile_bins

if TYPE_CHECKING:
    from curate.steps.features import Features

TOPIC, UNCERTAINTY = "topic", "uncertainty"
# As many categories as a budget of some hundred verdicts can distinguish.
TOPICS, LEVELS = 8, 8
# Prompts on which topics are fitted; the others are assigned.
_FITTED = 20_000


def pair_categories(pairs: pl.DataFrame, unsure: pl.Series, tags: Sequence[str]) -> pl.DataFrame:
    """Return the level of `uncertainty` and of each tag for every pair.

    Args:
        pairs: the pair table.
        unsure: (pairs,) mean rank of uncertainty scores; null without any.
        tags: columns of the pairs, or keys of `extra`.

    Raises:
        CurateError: no pair has this tag.
    """
    levels = [_tag_levels(pairs, name) for name in tags]
    if unsure.null_count() < len(unsure):
        level = tercile_bins(unsure.to_frame(UNCERTAINTY))[UNCERTAINTY]
        levels.append(level.zip_with(unsure.is_not_null(), _constant_level("none", len(unsure))))
    return pl.DataFrame(levels)


def coefficient_tags(coefficients: Iterable[str]) -> list[str]:
    """Return the tags in keys such as `source=chat`, each once."""
    names = dict.fromkeys(key.partition("=")[0] for key in coefficients)
    return [name for name in names if name not in (*FEATURES, UNCERTAINTY)]


def default_tags(pairs: pl.DataFrame) -> list[str]:
    """Return `source`, if there are several."""
    return ["source"] if pairs["source"].n_unique() > 1 else []


def prompt_topics(features: Features, seed: int) -> pl.Series:
    """Return each prompt's cluster, "0" to "7", by k-means on at most 20,000 prompts."""
    distinct, prompt_index = features.distinct("prompt")
    rng = np.random.default_rng(seed)
    # Sorted: a mapped file is then read from its start to its end.
    sample = np.sort(rng.choice(distinct, min(len(distinct), _FITTED), replace=False))
    model = KMeans(min(TOPICS, len(distinct)), n_init=4, random_state=seed)
    model.fit(np.asarray(features.vectors[sample], dtype=np.float32))
    predicted = [
        model.predict(np.asarray(features.vectors[distinct[rows]], dtype=np.float32))
        for rows in batch_slices(len(distinct), BATCH_ROWS)
    ]
    return pl.Series(TOPIC, np.concatenate(predicted)[prompt_index]).cast(pl.String)


def _tag_levels(pairs: pl.DataFrame, name: str) -> pl.Series:
    """Return the frequent values of a column or key, "other" for rare ones, "none" for null."""
    is_column = name in PAIR_COLUMNS and pairs.schema[name] == pl.String and name != "extra"
    value = pairs.select(v=pl.col(name) if is_column else extra_value(name))["v"]
    if value.null_count() == len(value):
        raise CurateError(
            "no pair has this tag",
            where="--tag or --gains",
            found=repr(name),
            expected="a text column such as source, or a key of extra",
        )
    # Rare values would each be a coefficient that a few pairs decide.
    counts = (
        value.drop_nulls().to_frame().group_by("v").len().sort("len", "v", descending=[True, False])
    )
    frequent = counts["v"].head(LEVELS)
    other = value.zip_with(value.is_in(frequent.implode()), _constant_level("other", len(value)))
    return other.zip_with(value.is_not_null(), _constant_level("none", len(value))).alias(name)


def _constant_level(level: str, count: int) -> pl.Series:
    return pl.repeat(level, count, dtype=pl.String, eager=True)
