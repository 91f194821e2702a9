"""Vectors of texts: sparse autoencoders, coverage of a target, embedders of the user's own."""

from __future__ import annotations

from curate.models.embed.autoencoder import SAESettings, fit_to_run
from curate.models.embed.local_weights import local_weights
from curate.models.embed.neighbours import EXACT_BELOW
from curate.models.embed.target_coverage import TargetCoverage, density_ratio, measure_coverage

__all__ = [
    "EXACT_BELOW",
    "SAESettings",
    "TargetCoverage",
    "density_ratio",
    "fit_to_run",
    "local_weights",
    "measure_coverage",
]
