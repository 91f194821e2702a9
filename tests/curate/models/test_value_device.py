"""Training on a stand-in that computes, refuses tensors of the host, and counts copies."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from curate.models.embed.autoencoder import SAESettings, fit_autoencoder
from curate.models.heads.answer_features import answer_feature_matrices
from curate.models.heads.feature_matrix import LazyFeatureMatrix
from curate.models.heads.modules import HeadSpec
from curate.models.heads.out_of_fold import train_heads
from curate.steps.context import SilentProgress
from tests.devices import DEVICE, DeviceTensor, ValueDevice
from tests.helpers import simulate

PAIRS, DIM, BATCH, STEPS = 400, 6, 50, 60


def rows_on(device: str) -> tuple[LazyFeatureMatrix, LazyFeatureMatrix]:
    return answer_feature_matrices(simulate(PAIRS, dim=DIM).context.features, "both", device)


def test_the_stand_in_computes_and_refuses_tensors_of_the_host() -> None:
    with ValueDevice() as gpu:
        moved = torch.arange(4.0).to(DEVICE)
        assert isinstance(moved, DeviceTensor)
        with pytest.raises(RuntimeError, match="same device"):
            moved + torch.ones(4)
        assert (moved * 2).cpu().tolist() == [0.0, 2.0, 4.0, 6.0]
        assert float(moved.sum()) == 6.0
        assert moved[torch.tensor([3])].cpu().tolist() == [3.0]
    # An index of the host is a copy, for which a GPU waits.
    assert gpu.events == ["up", "down", "wait", "up", "wait", "down"]


@pytest.mark.parametrize("loss", ["bt", "holder"])
@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_weights_of_the_host_cost_one_copy_and_no_wait(kind: Any, loss: Any) -> None:
    spec = HeadSpec(kind=kind, hidden=4, steps=STEPS, batch=BATCH, loss=loss)
    weights = torch.rand(PAIRS, 3, generator=torch.Generator().manual_seed(0))
    expected = train_heads(*rows_on("cpu"), weights, spec, seed=0)
    with ValueDevice() as gpu:
        chosen, rejected = rows_on(DEVICE)
        gpu.events.clear()
        heads = train_heads(chosen, rejected, weights, spec, seed=0)
        trained = [p.detach().cpu() for p in heads.parameters()]
    for mine, theirs in zip(trained, expected.parameters(), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-5)
    if (kind, loss) != ("linear", "bt"):
        epochs = STEPS * BATCH // PAIRS + 1
        parameters = len(trained)
        # The weights once, the order of rows once an epoch, the parameters there and back.
        assert gpu.up <= 1 + epochs + parameters
        assert gpu.waits == 0


def test_an_autoencoder_waits_once_an_epoch() -> None:
    settings = SAESettings(features=8, active=2, epochs=3, batch=BATCH)
    rows = torch.arange(PAIRS)
    expected = fit_autoencoder(*rows_on("cpu"), rows, settings, 0, SilentProgress())
    with ValueDevice() as gpu:
        chosen, rejected = rows_on(DEVICE)
        gpu.events.clear()
        fitted = fit_autoencoder(chosen, rejected, rows, settings, 0, SilentProgress())
    assert torch.allclose(fitted.features, expected.features, atol=1e-5)
    # Its held-out error decides whether to go on; that is what each epoch waits for.
    assert gpu.waits == settings.epochs
