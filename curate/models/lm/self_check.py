"""Two ways to compute the same by a model, compared without the rounding of half precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from curate.models.embed.batching import is_out_of_memory

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_HALF = (torch.bfloat16, torch.float16)
_TOLERANCE = {torch.float64: 1e-6}
_SINGLE_TOLERANCE = 1e-3
_HALF_TOLERANCE = 0.1
"""Share of the largest value by which half precision may differ: at logits of 30 these are 3, which
is why a model is compared in single precision wherever its layers can be widened."""


def compare_exactly(model: PreTrainedModel, compute: Callable[[], tuple[Tensor, Tensor]]) -> bool:
    """Return whether both values that `compute` gets from a model agree.

    A model in half precision computes in single precision meanwhile, a layer at a time; where it
    refuses to, what half precision rounds is allowed.

    Args:
        model: on one device.
        compute: runs the model in both ways.

    Raises:
        RuntimeError: the model cannot be run in one of the ways, or memory runs out.
    """
    dtype = model.dtype
    with torch.inference_mode():
        if dtype in _HALF and not is_quantised(model):
            try:
                with _in_single_precision(model):
                    mine, theirs = compute()
                return _is_close(mine, theirs, _SINGLE_TOLERANCE)
            # Some kernels take half precision alone.
            except RuntimeError as error:
                if is_out_of_memory(error):
                    raise
        mine, theirs = compute()
    tolerance = _HALF_TOLERANCE if dtype in _HALF else _TOLERANCE.get(dtype, _SINGLE_TOLERANCE)
    return _is_close(mine, theirs, tolerance)


def is_quantised(model: PreTrainedModel) -> bool:
    """Return whether the weights are stored as small integers, which can't be widened or moved."""
    return getattr(model.config, "quantization_config", None) is not None


@contextmanager
def _in_single_precision(model: nn.Module) -> Iterator[None]:
    """Let each layer compute in float32: while it works it has a copy of its weights."""
    originals: dict[nn.Parameter, Tensor] = {}

    def widen(layer: nn.Module, _: object) -> None:
        for parameter in layer.parameters(recurse=False):
            originals.setdefault(parameter, parameter.data)
            parameter.data = parameter.data.float()

    def restore(layer: nn.Module, *_: object) -> None:
        for parameter in layer.parameters(recurse=False):
            parameter.data = originals.pop(parameter)

    handles = []
    for layer in model.modules():
        if next(layer.parameters(recurse=False), None) is not None:
            handles.append(layer.register_forward_pre_hook(widen))
            # A layer that fails gets its weights back too.
            handles.append(layer.register_forward_hook(restore, always_call=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _is_close(mine: Tensor, theirs: Tensor, tolerance: float) -> bool:
    if mine.shape != theirs.shape:
        return False
    mine, theirs = mine.float(), theirs.float()
    # Relative to the largest value: large logits are rounded most.
    allowed = tolerance * max(1.0, float(theirs.abs().max()))
    return bool((mine - theirs).abs().max() <= allowed)
