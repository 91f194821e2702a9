"""Choice of the torch device."""

from __future__ import annotations

import torch
from torch import Tensor

from curate.errors import CurateError, first_line


def move_to_device(values: Tensor, device: str | torch.device) -> Tensor:
    """Return the values on a device; what goes to a GPU is pinned first, so that nobody waits for
    it."""
    target_device = torch.device(device)
    if target_device.type == "cuda" and values.device.type == "cpu":
        values = values.pin_memory()
    return values.to(target_device, non_blocking=True)


def choose_device(requested: str = "auto", where: str = "embedder.device") -> str:
    """Return the requested device, or for "auto" CUDA, then MPS, then CPU.

    Args:
        requested: a torch device, or "auto".
        where: the setting that an error names.

    Raises:
        CurateError: the requested device is not available.
    """
    if requested == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        # Only an allocation shows whether a device works: a driver can list one that fails.
        torch.empty(0, device=requested)
    except (RuntimeError, AssertionError) as error:
        raise CurateError(
            "the device cannot be used",
            where=where,
            found=f"{requested}: {first_line(error)}",
            fix="use auto or cpu",
        ) from None
    return requested
