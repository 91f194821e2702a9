"""A stand-in for a GPU: PyTorch's meta device, with what crosses to it and back counted."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

DEVICE = "meta"


class Crossings(TorchDispatchMode):
    """Tensors on the meta device have shapes and no values.

    A copy from it gives zeros; whatever waits for a value of it (`item`, `bool`) gets 1. What needs
    a value to know a shape (`nonzero`, a mask as index) fails, as it makes a GPU wait.

    Attributes:
        up: copies to the device.
        down: copies from it.
        waits: values that the host waited for.
        events: "up", "down", "wait", in order, and what `note` adds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.events: list[str] = []

    @property
    def up(self) -> int:
        return self.events.count("up")

    @property
    def down(self) -> int:
        return self.events.count("down")

    @property
    def waits(self) -> int:
        return self.events.count("wait")

    def note(self, event: str) -> None:
        self.events.append(event)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.ops.aten._local_scalar_dense.default and args[0].is_meta:
            self.note("wait")
            return 1.0 if args[0].dtype.is_floating_point else 1
        if func is torch.ops.aten._to_copy.default:
            source, target = args[0].device, torch.device(kwargs.get("device") or args[0].device)
            if source.type != target.type:
                self.note("up" if target.type == DEVICE else "down")
            if args[0].is_meta and target.type != DEVICE:
                dtype = kwargs.get("dtype") or args[0].dtype
                return torch.zeros(args[0].shape, dtype=dtype, device=target)
        return func(*args, **kwargs)
