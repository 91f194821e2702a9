from __future__ import annotations

import numpy as np
import pytest
import torch

from curate.models.embed.autoencoder import (
    SAESettings,
    SparseAutoencoder,
    autoencoder_features,
    fit_autoencoder,
)
from curate.steps.context import SilentProgress


def planted(pairs: int = 4000, dim: int = 24, directions: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Differences that are signed sums of two of six orthogonal directions."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(dim, directions)))[0].T
    codes = np.zeros((pairs, directions))
    for row in codes:
        row[rng.choice(directions, 2, replace=False)] = rng.choice([-1, 1], 2) * rng.uniform(
            0.5, 1.5, 2
        )
    return codes @ basis + rng.normal(0, 0.02, (pairs, dim)), basis


def fitted(differences: np.ndarray, seed: int = 0, **settings: object):  # type: ignore[no-untyped-def]
    chosen = torch.from_numpy(differences.astype(np.float32))
    chosen = chosen / chosen.square().sum(1).mean().sqrt()
    sae_settings = SAESettings(**{"features": 6, "active": 2, "prefixes": (6,)} | settings)  # type: ignore[arg-type]
    used = torch.ones(len(chosen), dtype=torch.bool)
    return fit_autoencoder(
        chosen, torch.zeros_like(chosen), used.nonzero()[:, 0], sae_settings, seed, SilentProgress()
    )


@pytest.mark.slow
def test_planted_directions_are_found() -> None:
    differences, basis = planted()
    trained = fitted(differences, learning_rate=5e-3)
    decoder = trained.model.decoder.detach().numpy()
    cosines = np.abs(decoder @ basis.T)
    assert (cosines.max(axis=0) > 0.95).sum() >= 5
    assert trained.explained > 0.85
    fires = (trained.features != 0).float().sum(1).mean().item()
    assert 1.5 < fires < 2.5


def test_a_swap_negates_the_features_exactly() -> None:
    differences, _ = planted(600)
    trained = fitted(differences)
    chosen = torch.from_numpy(differences.astype(np.float32))
    zero = torch.zeros_like(chosen)
    straight = autoencoder_features(trained.model, chosen, zero)
    assert torch.equal(autoencoder_features(trained.model, zero, chosen), -straight)
    assert (straight != 0).any()


def test_a_batch_keeps_its_largest_activations_by_size() -> None:
    model = SparseAutoencoder(3, SAESettings(features=3, active=1), torch.Generator())
    activations = torch.tensor([[0.1, -5.0, 0.2], [3.0, -4.0, 0.0], [0.3, 0.1, -0.2]])
    sparse_codes = model.sparse(activations)
    assert sparse_codes.tolist() == [[0.0, -5.0, 0.0], [3.0, -4.0, 0.0], [0.0, 0.0, 0.0]]
    assert float(model.threshold) == 3.0


def test_the_same_seed_gives_the_same_features() -> None:
    differences, _ = planted(600)
    first, again, other = (fitted(differences, seed, epochs=3) for seed in (0, 0, 1))
    assert torch.equal(first.features, again.features)
    assert not torch.equal(first.features, other.features)
