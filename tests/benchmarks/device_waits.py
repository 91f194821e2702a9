"""Copies to a GPU and waits for it while probe models train, counted on a stand-in.

python -m tests.benchmarks.device_waits
"""

from __future__ import annotations

import torch

from curate.models.embed.autoencoder import SAESettings, fit_autoencoder
from curate.models.heads.answer_features import answer_feature_matrices
from curate.models.heads.feature_matrix import LazyFeatureMatrix
from curate.models.heads.modules import HeadSpec
from curate.models.heads.out_of_fold import train_heads
from curate.steps.context import SilentProgress
from tests.devices import DEVICE, ValueDevice
from tests.helpers import simulate

PAIRS, STEPS, EPOCHS = 3000, 300, 3


def features() -> tuple[LazyFeatureMatrix, LazyFeatureMatrix]:
    return answer_feature_matrices(simulate(PAIRS, dim=6).context.features, "both", DEVICE)


def report(name: str, gpu: ValueDevice) -> None:
    print(f"{name:24} copies {gpu.up:5}  waits {gpu.waits:5}")


def main() -> None:
    weights = torch.rand(PAIRS, 3)
    print(f"{PAIRS} pairs, {STEPS} steps (autoencoder: {EPOCHS} epochs)")
    for spec in (
        HeadSpec(loss="holder", steps=STEPS),
        HeadSpec(kind="mlp", hidden=4, steps=STEPS),
    ):
        with ValueDevice() as gpu:
            chosen, rejected = features()
            gpu.events.clear()
            train_heads(chosen, rejected, weights, spec, seed=0)
        report(f"{spec.kind} heads, {spec.loss}", gpu)
    with ValueDevice() as gpu:
        chosen, rejected = features()
        gpu.events.clear()
        settings = SAESettings(features=8, active=2, epochs=EPOCHS)
        fit_autoencoder(chosen, rejected, torch.arange(PAIRS), settings, 0, SilentProgress())
    report("sparse autoencoder", gpu)


if __name__ == "__main__":
    main()
