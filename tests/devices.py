"""A stand-in for a GPU: PyTorch's meta device, with what crosses to it and back counted."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

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


class DeviceTensor(torch.Tensor):
    """A tensor that says it lies on the meta device and holds its values on the host."""

    values: Tensor

    @staticmethod
    def __new__(cls, values: Tensor) -> DeviceTensor:
        wrapped: DeviceTensor = torch.Tensor._make_wrapper_subclass(
            cls,
            values.shape,
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=torch.device(DEVICE),
        )
        wrapped.values = values
        return wrapped

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError(f"{func} of a device tensor outside ValueDevice")


class ValueDevice(Crossings):
    """A stand-in for a GPU that computes: its tensors have values, and refuse those of the host.

    Copies and waits are counted as by `Crossings`. Scalars of the host take part in any
    operation, as on a GPU. An index that lies on the host is a copy that is waited for.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        target = kwargs.get("device")
        leaves = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        on_device = [x for x in leaves if isinstance(x, DeviceTensor)]
        to_device = target is not None and torch.device(target).type == DEVICE
        self._record(func, leaves, on_device, target)
        if target is not None:
            kwargs["device"] = torch.device("cpu")
        values, named = tree_map(_values, (args, kwargs))
        out = func(*values, **named)
        # An operation in place returns its argument: it stays the same tensor of the device.
        same = {id(x.values): x for x in on_device}
        to_host = target is not None and not to_device
        if to_host or not (on_device or to_device):
            return out

        def place(value: Any) -> Any:
            if id(value) in same:
                return same[id(value)]
            return DeviceTensor(value) if isinstance(value, Tensor) else value

        return tree_map(place, out)

    def _record(
        self, func: Any, leaves: list[Tensor], on_device: list[DeviceTensor], target: Any
    ) -> None:
        aten = torch.ops.aten
        if func is aten._to_copy.default:
            target_type = torch.device(target or leaves[0].device).type
            if target_type != leaves[0].device.type:
                self.note("up" if target_type == DEVICE else "down")
            return
        if on_device and func in _WAITING:
            self.note("wait")
        hosts = [x for x in leaves if not isinstance(x, DeviceTensor) and x.dim() > 0]
        if not (on_device and hosts):
            return
        if func is aten.copy_.default:
            self.note("up" if isinstance(leaves[0], DeviceTensor) else "down")
        elif func in _INDEXING and isinstance(leaves[0], DeviceTensor):
            self.note("up")
            self.note("wait")
        else:
            raise RuntimeError(f"Expected all tensors to be on the same device: {func}")


_WAITING = (
    torch.ops.aten._local_scalar_dense.default,
    torch.ops.aten.nonzero.default,
    torch.ops.aten.masked_select.default,
    torch.ops.aten.equal.default,
)
_INDEXING = (torch.ops.aten.index.Tensor, torch.ops.aten.index_put_.default)


def _values(value: Any) -> Any:
    return value.values if isinstance(value, DeviceTensor) else value
