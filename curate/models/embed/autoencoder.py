"""A sparse autoencoder of preference directions: a swap of the answers negates its features."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from curate.models.embed.device import move_to_device
from curate.models.heads.adam import CosineAdam
from curate.models.heads.feature_matrix import FeatureMatrix
from curate.models.heads.out_of_fold import answer_features

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from curate.steps.context import Context, Progress

# Steps without a single activation after which a feature counts as dead.
_DEAD_STEPS = 200
# Of the auxiliary loss that revives dead features, as in arXiv 2406.04093.
_AUX_SHARE = 1.0 / 32.0
# Share of pairs that are held out to measure the reconstruction.
_HELD_OUT = 0.1
# Of the running mean of the threshold, as in BatchTopK (arXiv 2412.06410).
_THRESHOLD_MEMORY = 0.99
_ROWS = 8192
# Features of the first nested prefix (Matryoshka, arXiv 2503.17547).
_PREFIX = 8


@dataclass(frozen=True)
class SAESettings:
    """Settings of WIMHF (arXiv 2510.26202, its published code).

    Attributes:
        features: M, features in all.
        active: K, features of a pair on average.
        prefixes: numbers of leading features that must reconstruct by themselves (Matryoshka).
        batch: pairs in a step.
        learning_rate: of Adam.
        epochs: passes at most.
        patience: passes without a smaller held-out error after which training ends.
    """

    features: int = 32
    active: int = 4
    prefixes: tuple[int, ...] = (8, 32)
    batch: int = 256
    learning_rate: float = 5e-4
    epochs: int = 50
    patience: int = 3

    @classmethod
    def of(cls, features: int, active: int) -> SAESettings:
        """Return settings of this size; the first 8 features must reconstruct by themselves too."""
        return cls(features, active, tuple(sorted({min(_PREFIX, features), features})))


class SparseAutoencoder(nn.Module):
    """z = BatchTopK(x W), the K n activations of largest size in a batch of n; x' = z D.

    Neither has a bias, and activations are chosen by their absolute value: z(-x) = -z(x) exactly,
    so that it does not matter which answer is called the preferred one. The paper's has biases.
    Outside training an activation counts where it is larger than the training's usual smallest.
    """

    def __init__(self, dim: int, settings: SAESettings, generator: torch.Generator) -> None:
        super().__init__()
        directions = torch.randn(settings.features, dim, generator=generator)
        directions = nn.functional.normalize(directions, dim=1)
        self.settings = settings
        # Tied at the start, free afterwards: a feature begins by reading what it writes.
        self.decoder = nn.Parameter(directions.clone())
        self.encoder = nn.Parameter(directions.T.clone())
        self.threshold: Tensor
        self.register_buffer("threshold", torch.zeros(()))

    def sparse(self, activations: Tensor) -> Tensor:
        """Zero all but the largest K n activations of a batch; the threshold follows."""
        active_count = min(self.settings.active * len(activations), activations.numel())
        # Of the whole batch: a pair that differs much may use more features than another.
        sizes = activations.abs().flatten()
        least = sizes.kthvalue(len(sizes) - active_count + 1).values
        with torch.no_grad():
            # The first batch sets the threshold: from 0 it would creep up over many steps.
            memory = torch.where(self.threshold > 0, _THRESHOLD_MEMORY, 0.0)
            self.threshold.mul_(memory).add_((1.0 - memory) * least)
        return activations * (activations.abs() >= least)

    def forward(self, differences: Tensor) -> Tensor:
        """Return features (pairs, M), most of them 0."""
        activations = differences @ self.encoder
        return activations * (activations.abs() >= self.threshold)

    def errors(self, differences: Tensor, features: Tensor) -> Tensor:
        """Return the mean squared error of each prefix, as share of the mean square of the
        differences."""
        # As a share, so that errors of data sets of any scale compare.
        size = differences.square().sum(1).mean().clamp_min(1e-12)
        prefix_errors = []
        for prefix in (p for p in self.settings.prefixes if p <= features.shape[1]):
            reconstruction = features[:, :prefix] @ self.decoder[:prefix]
            prefix_errors.append((differences - reconstruction).square().sum(1).mean() / size)
        return torch.stack(prefix_errors)


@dataclass(frozen=True)
class FittedAutoencoder:
    """A trained autoencoder and what it reaches.

    Attributes:
        model: the autoencoder.
        features: (pairs, M) of all pairs.
        explained: share of the held-out differences' square that is reconstructed.
        epochs: passes taken.
    """

    model: SparseAutoencoder
    features: Tensor
    explained: float
    epochs: int


def fit_to_run(
    pairs: pl.DataFrame, context: Context, voting: NDArray[np.bool_], settings: SAESettings
) -> FittedAutoencoder:
    """Return an autoencoder of the embedding differences of a run's voting pairs, (pairs,) bool.

    The same pairs, seed and embedder give the same features wherever they are asked for; those of
    pairs that hold no vote are 0.
    """
    chosen, rejected = answer_features(pairs, context, "embedding")
    used = torch.from_numpy(voting)
    order = context.row_order(pairs)
    rows = torch.from_numpy(order[voting[order]])
    seed = context.step_seed("sae")
    fitted = fit_autoencoder(chosen, rejected, rows, settings, seed, context.progress)
    return replace(fitted, features=fitted.features * used[:, None])


def fit_autoencoder(
    chosen: FeatureMatrix,
    rejected: FeatureMatrix,
    rows: Tensor,
    settings: SAESettings,
    seed: int,
    progress: Progress,
) -> FittedAutoencoder:
    """Train on chosen minus rejected of some pairs, a tenth of them held out.

    Args:
        chosen: features of the preferred answers, (pairs, dim).
        rejected: of the others.
        rows: of these pairs; what is drawn depends on their order.
        settings: sizes and schedule.
        seed: of start, split and batches.
        progress: where passes are shown.
    """
    generator = torch.Generator().manual_seed(seed)
    order = rows[torch.randperm(len(rows), generator=generator)]
    held_out = max(1, int(_HELD_OUT * len(order)))
    test, train = order[:held_out], order[held_out:] if len(order) > held_out else order
    model = SparseAutoencoder(chosen.shape[1], settings, generator).to(chosen.device)
    training = _AutoencoderTraining(model, chosen, rejected, math.ceil(len(train) / settings.batch))
    error, epochs = _train_with_patience(training, train, test, generator, progress)
    features = autoencoder_features(model, chosen, rejected)
    return FittedAutoencoder(model, features, 1.0 - error, epochs)


def _train_with_patience(
    training: _AutoencoderTraining,
    train: Tensor,
    test: Tensor,
    generator: torch.Generator,
    progress: Progress,
) -> tuple[float, int]:
    """Train until the held-out error stops falling, restore the best pass, and return its error.

    Returns:
        the lowest held-out error, and the number of passes taken.
    """
    model, settings = training.model, training.model.settings
    lowest_error, passes_since_best, passes = math.inf, 0, 0
    best_state = {name: value.clone() for name, value in model.state_dict().items()}
    with progress.task("sparse autoencoder", settings.epochs) as task:
        while passes < settings.epochs and passes_since_best < settings.patience:
            passes += 1
            order = train[torch.randperm(len(train), generator=generator)]
            # Once an epoch, so that no batch waits for its rows.
            training.epoch(move_to_device(order, model.decoder.device))
            error = training.error(test)
            task.advance()
            passes_since_best = 0 if error < lowest_error else passes_since_best + 1
            if error < lowest_error:
                lowest_error = error
                best_state = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(best_state)
    return lowest_error, passes


def autoencoder_features(
    model: SparseAutoencoder, chosen: FeatureMatrix, rejected: FeatureMatrix
) -> Tensor:
    """Return features (pairs, M) of all pairs."""
    parts = []
    with torch.no_grad():
        for start in range(0, len(chosen), _ROWS):
            rows = slice(start, start + _ROWS)
            parts.append(model(chosen[rows] - rejected[rows]).cpu())
    return torch.cat(parts)


class _AutoencoderTraining:
    def __init__(
        self, model: SparseAutoencoder, chosen: FeatureMatrix, rejected: FeatureMatrix, batches: int
    ) -> None:
        self.model, self._chosen, self._rejected = model, chosen, rejected
        self._adam = CosineAdam(model.parameters(), model.settings.learning_rate)
        self._steps_since_fired = torch.zeros(model.settings.features, device=chosen.device)
        self._dead_after, self._steps = max(_DEAD_STEPS, batches), 0

    def epoch(self, order: Tensor) -> None:
        """One pass."""
        for rows in torch.split(order, self.model.settings.batch):
            self._step(self._chosen[rows] - self._rejected[rows])

    def error(self, rows: Tensor) -> float:
        """Return mean squared error of all features on these pairs, as share of their square."""
        with torch.no_grad():
            differences = self._chosen[rows] - self._rejected[rows]
            return float(self.model.errors(differences, self.model(differences))[-1])

    def _step(self, differences: Tensor) -> None:
        model = self.model
        activations = differences @ model.encoder
        features = model.sparse(activations)
        loss = model.errors(differences, features).mean()
        fired = (features != 0).any(dim=0)
        self._steps_since_fired = torch.where(fired, 0.0, self._steps_since_fired + 1.0)
        dead = self._steps_since_fired > self._dead_after
        self._steps += 1
        # A GPU is not asked whether there are any: without, the term has no gradient.
        if self._steps > self._dead_after and (not dead.is_cpu or bool(dead.any())):
            # What is left over is learnt by features that have not fired for long.
            residual = (differences - features @ model.decoder).detach()
            residual_reconstruction = (activations * dead) @ model.decoder
            loss = loss + _AUX_SHARE * (residual - residual_reconstruction).square().sum(1).mean()
        self._adam.minimise(loss)
        with torch.no_grad():
            # Of length 1: else activations shrink while the decoder grows, and no threshold holds.
            model.decoder.div_(model.decoder.norm(dim=1, keepdim=True).clamp_min(1e-8))
