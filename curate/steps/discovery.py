"""Finds the classes of a plug-in folder: one module each, no list to keep."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import TypeVar

T = TypeVar("T")


def named_classes(package_name: str, base: type[T]) -> dict[str, type[T]]:
    """Every concrete subclass of `base` in the modules of a package, by its `name`."""
    package = importlib.import_module(package_name)
    found: dict[str, type[T]] = {}
    for module in pkgutil.iter_modules(package.__path__):
        loaded = importlib.import_module(f"{package.__name__}.{module.name}")
        for _, item in inspect.getmembers(loaded, inspect.isclass):
            if issubclass(item, base) and not inspect.isabstract(item):
                found[getattr(item, "name")] = item  # noqa: B009 (T is not known to have it)
    return dict(sorted(found.items()))
