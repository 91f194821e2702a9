"""Vectors of texts: exact and approximate neighbours, sparse autoencoders, batches by tokens."""

from __future__ import annotations

from curate.models.embed.autoencoder import SAESettings, fit_to_run
from curate.models.embed.batching import run_with_oom_retry, token_budget_batches
from curate.models.embed.neighbours import EXACT_BELOW

__all__ = [
    "EXACT_BELOW",
    "SAESettings",
    "fit_to_run",
    "run_with_oom_retry",
    "token_budget_batches",
]
