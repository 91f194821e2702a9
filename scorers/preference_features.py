"""Features of the preference direction by a sparse autoencoder, one column per feature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from curate import Cache, Column, Context, Input, Parameters, Scorer
from curate.scoring import vote_mask
from curate.scoring.embeddings import SAESettings, fit_to_run

if TYPE_CHECKING:
    from numpy.typing import NDArray


class PreferenceFeaturesParams(Parameters):
    """Parameters of `preference_features`."""

    features: int = Field(32, ge=1, le=1024, description="Number of features (M).")
    active: int = Field(4, ge=1, description="Mean number of active features per pair (K).")

    @model_validator(mode="after")
    def _fewer_active(self) -> PreferenceFeaturesParams:
        if self.active > self.features:
            raise ValueError("active must not exceed features")
        return self


class PreferenceFeatures(Scorer[PreferenceFeaturesParams]):
    """Compute sparse features of the preference direction, one column per feature.

    A sparse autoencoder (WIMHF, arXiv 2510.26202) reads the difference of the answers' embeddings,
    not the label. `f0`, `f1`, ... are above 0 where the chosen answer has the feature; a swap
    negates them. `active` counts the features that fire. They are the features that `curate
    explain` describes with the same seed and embedder. Flip what feature 5 won by {type:
    flip_where, condition: "`preference_features.f5` > 0"}.

    Examples:
        >>> [column.name for column in PreferenceFeatures(features=3, active=1).columns()]
        ['f0', 'f1', 'f2', 'active']
    """

    name = "preference_features"
    purpose = "rewards and models"
    when = "To filter by properties of answers without naming them beforehand."
    summary = "sparse features of the preferred answers, to filter or flip by (WIMHF)"
    reference = "What's In My Human Feedback, arXiv 2510.26202"
    inputs = frozenset({Input.EMBEDDINGS})
    cache = Cache.WHOLE
    Params = PreferenceFeaturesParams

    def columns(self) -> tuple[Column, ...]:
        """Return one column per feature, and how many fire."""
        named = (
            Column(f"f{i}", f"feature {i}: above 0 where the chosen answer has it")
            for i in range(self.params.features)
        )
        return (*named, Column("active", "features that fire", "int", unit="features"))

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return features of all pairs; 0 for ties and identical answers."""
        p, voting = self.params, vote_mask(pairs, context)
        values: NDArray[np.float64] = np.zeros((len(pairs), p.features))
        if voting.any():
            fitted = fit_to_run(pairs, context, voting, SAESettings.of(p.features, p.active))
            context.facts["explained"] = round(fitted.explained, 4)
            context.facts["epochs"] = fitted.epochs
            values = fitted.features.numpy().astype(np.float64)
        columns = {f"f{i}": values[:, i] for i in range(p.features)}
        return pl.DataFrame(columns).with_columns(active=pl.Series((values != 0).sum(axis=1)))
