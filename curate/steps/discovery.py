"""Finds classes by name: those of a folder of this project, and those of plug-ins."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Generic, Protocol, TypeVar

from curate.errors import CurateError, suggestion
from curate.steps.entries import entry_points_by_name
from curate.steps.registry import load_entry_point, name_conflict


class Named(Protocol):
    """What the classes of a folder have: a name, and one line of summary."""

    name: ClassVar[str]
    summary: ClassVar[str]


T = TypeVar("T", bound=Named)


def find_classes(package_name: str, base: type[T]) -> dict[str, type[T]]:
    """Return all concrete subclasses of `base` in a package's modules, by `name`."""
    package = importlib.import_module(package_name)
    classes: dict[str, type[T]] = {}
    for module in pkgutil.iter_modules(package.__path__):
        loaded = importlib.import_module(f"{package.__name__}.{module.name}")
        for _, item in inspect.getmembers(loaded, inspect.isclass):
            is_complete = not inspect.isabstract(item) and hasattr(item, "name")
            if issubclass(item, base) and is_complete:
                classes[item.name] = item
    return dict(sorted(classes.items()))


@dataclass(frozen=True)
class Catalogue(Generic[T]):
    """The classes of one kind, built-in ones and plug-ins.

    Attributes:
        kind: what they are, for errors: "format".
        package: package whose modules hold the built-in classes.
        group: group of the entry points of plug-ins.
        base: class that all of them extend.
    """

    kind: str
    package: str
    group: str
    base: type[T]

    @cached_property
    def built_in(self) -> dict[str, type[T]]:
        """Return the classes of the package's modules, by name."""
        return find_classes(self.package, self.base)

    @cached_property
    def usable(self) -> dict[str, type[T]]:
        """Return the classes that can be loaded, by name."""
        return {name: cls for name, cls in self._outcomes.items() if isinstance(cls, type)}

    @cached_property
    def unusable(self) -> dict[str, str]:
        """Return why a plug-in, or a name that several claim, cannot be loaded."""
        outcomes = self._outcomes.items()
        return {name: o.text() for name, o in outcomes if isinstance(o, CurateError)}

    def load(self, name: str, where: str, other_names: Iterable[str] = ()) -> type[T]:
        """Return the class called `name`.

        Args:
            name: of the class, which is that of a plug-in's entry point.
            where: where the name is given, for errors.
            other_names: further names that may be meant, for the suggestion.

        Raises:
            CurateError: there is no such class, several packages claim the name, or the plug-in
                cannot be imported or is something else.
        """
        claims = entry_points_by_name(self.group).get(name, [])
        built_in = self.built_in.get(name)
        if built_in is None and not claims:
            fix = suggestion(name, [*self._names, *other_names])
            raise CurateError(f"unknown {self.kind}", where=where, found=repr(name), fix=fix)
        values = [f"{c.__module__}:{c.__name__}" for c in (built_in,) if c is not None]
        values += [entry.value for entry in claims]
        if len(values) > 1:
            raise name_conflict(name, values, where)
        if built_in is not None:
            return built_in
        loaded = load_entry_point(claims[0], self.base, self.kind)
        if loaded.name != name:
            raise CurateError(
                f"the name of the {self.kind} is not that of its entry point",
                where=f"{self.group}: {name} = {claims[0].value}",
                found=f"name = {loaded.name!r}",
                fix="give both the same name",
            )
        return loaded

    @property
    def _names(self) -> list[str]:
        return sorted({*self.built_in, *entry_points_by_name(self.group)})

    @cached_property
    def _outcomes(self) -> dict[str, type[T] | CurateError]:
        outcomes: dict[str, type[T] | CurateError] = {}
        for name in self._names:
            try:
                outcomes[name] = self.load(name, self.group)
            except CurateError as error:
                outcomes[name] = error
        return outcomes
