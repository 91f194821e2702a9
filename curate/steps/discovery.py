"""Finds the classes of a plug-in folder: one module each, no list to keep."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import TypeVar

T = TypeVar("T")


def find_classes(package_name: str, base: type[T]) -> dict[str, type[T]]:
    """Return all concrete subclasses of `base` in a package's modules, by `name`."""
    package = importlib.import_module(package_name)
    classes: dict[str, type[T]] = {}
    for module in pkgutil.iter_modules(package.__path__):
        loaded = importlib.import_module(f"{package.__name__}.{module.name}")
        for _, item in inspect.getmembers(loaded, inspect.isclass):
            if issubclass(item, base) and not inspect.isabstract(item):
                classes[getattr(item, "name")] = item  # noqa: B009 (T is not known to have it)
    return dict(sorted(classes.items()))
