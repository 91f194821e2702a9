"""Loads scorers and filters by name, and builds them with their parameters."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from curate.errors import CurateError, suggestion
from curate.steps.contracts import Filter, Scorer, Step
from curate.steps.entries import (
    FILTERS,
    SCORERS,
    entry_point_by_name,
    entry_points_by_name,
)

_MOVED = {
    "curate.context": "curate",
    "curate.keys": "curate.data.hashes",
    "curate.pairs": "curate.data.table",
    "curate.selection": "curate",
    "curate.formats": "curate.read.formats",
    "curate.exports": "curate.write.exports",
}
"""Modules of version 0.1 that plug-ins imported, and where their names are now."""
S = TypeVar("S", bound=Step[Any])
C = TypeVar("C")
M = TypeVar("M", bound=BaseModel)


def scorer_class(name: str, where: str = "scorers") -> type[Scorer[Any]]:
    """Return the scorer `name`; raise CurateError with the closest name if there is none."""
    return _load_step_class(SCORERS, name, Scorer, where)  # type: ignore[type-abstract]


def filter_class(name: str, where: str = "filters") -> type[Filter[Any]]:
    """Return the filter `name`; raise CurateError with the closest name if there is none."""
    return _load_step_class(FILTERS, name, Filter, where)  # type: ignore[type-abstract]


def _load_step_class(group: str, name: str, kind: type[S], where: str) -> type[S]:
    entries = entry_point_by_name(group)
    what = kind.__name__.lower()
    if name not in entries:
        fix = suggestion(name, entries) if entries else "reinstall curate: pip install ."
        raise CurateError(f"unknown {what}", where=where, found=repr(name), fix=fix)
    claims = entry_points_by_name(group)[name]
    if len(claims) > 1:
        raise name_conflict(name, [entry.value for entry in claims], where)
    return load_entry_point(entries[name], kind, what)


def name_conflict(name: str, values: list[str], where: str) -> CurateError:
    """Return the error for a name that several entry points, or one and curate, claim."""
    return CurateError(
        f"several plug-ins are called '{name}'",
        where=where,
        found=", ".join(values),
        fix="rename the entry point of the one that is not curate's, or uninstall its package",
    )


def load_entry_point(entry: EntryPoint, base: type[C], kind: str) -> type[C]:
    """Return the class of an entry point.

    Args:
        entry: of a plug-in, or of this project.
        base: class that it has to extend.
        kind: what it is, for errors: "scorer".

    Raises:
        CurateError: it cannot be imported, or is no such class.
    """
    where = f"{entry.group}: {entry.name} = {entry.value}"
    try:
        loaded = entry.load()
    except CurateError:
        raise
    except Exception as error:  # whatever a plug-in does when it is imported
        raise CurateError(
            f"the {kind} '{entry.name}' cannot be imported",
            where=where,
            found=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
            fix=_import_fix(error),
        ) from error
    if not (isinstance(loaded, type) and issubclass(loaded, base)):
        raise CurateError(
            f"the entry point is not {'an' if kind[0] in 'aeiou' else 'a'} {kind}",
            where=where,
            found=repr(loaded),
            expected=f"a subclass of {base.__module__}.{base.__name__}",
        )
    return loaded


def _import_fix(error: Exception) -> str:
    """Return how to fix a plug-in that cannot be imported; moved modules are named."""
    # ImportError names the module that was not there.
    missing = getattr(error, "name", "") or ""
    if missing in _MOVED:
        return f"it was written for an older curate: import from '{_MOVED[missing]}' instead"
    return "repair or uninstall the package that provides it"


def build_step(cls: type[S], parameters: dict[str, Any], where: str) -> S:
    """Create a step; raise CurateError for an unknown or invalid parameter."""
    valid = list(cls.Params.model_fields)
    # A plug-in's own constructor may name its object so, which Python would take for that one.
    if "self" in parameters and "self" not in valid:
        raise unknown_key("self", valid, f"{where}.self")
    try:
        return cls(**parameters)
    except ValidationError as error:
        raise parameter_error(error, valid, where) from None


def unknown_key(key: str, valid: list[str], where: str) -> CurateError:
    """Return the error for an unknown parameter, with the closest valid name."""
    return CurateError("unknown key", where=where, found=repr(key), fix=suggestion(key, valid))


def validate_model(model: type[M], values: Any, where: str) -> M:
    """Validate a user's mapping as a model; raise CurateError with the first mistake."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise parameter_error(error, list(model.model_fields), where) from None


def parameter_error(error: ValidationError, valid: list[str], where: str) -> CurateError:
    """Return the first problem of a pydantic error as a CurateError."""
    first = error.errors()[0]
    location = ".".join(str(part) for part in first["loc"])
    spot = f"{where}.{location}" if location else where
    if first["type"] == "extra_forbidden":
        return unknown_key(str(first["loc"][-1]), valid, spot)
    input_text = None if first["type"] == "missing" else repr(first["input"])
    expected = first["msg"].removeprefix("Value error, ")
    return CurateError("wrong value", where=spot, found=input_text, expected=expected)
