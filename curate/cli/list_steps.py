"""What is installed: scorers, filters, formats and exports, as plain data."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_jsonable_python

from curate.read.formats import format_names
from curate.steps.contracts import Column, Filter, Scorer, Step
from curate.steps.registry import filter_class, filter_names, scorer_class, scorer_names
from curate.write.exports import export_names

_REQUIRED = "required"


def list_of_steps() -> dict[str, Any]:
    """Every scorer and filter with parameters and columns, every format and export."""
    return {
        "scorers": {name: _entry(scorer_class(name)) for name in scorer_names()},
        "filters": {name: _entry(filter_class(name)) for name in filter_names()},
        "formats": format_names(),
        "exports": export_names(),
    }


def _entry(cls: type[Step[Any]]) -> dict[str, Any]:
    return {
        "summary": cls.summary,
        "reference": cls.reference,
        "parameters": _parameters(cls),
        "columns": [
            {
                "name": f"{cls.name}.{c.name}",
                "meaning": c.meaning,
                "direction": c.direction,
                "unit": c.unit,
            }
            for c in _columns(cls)
        ],
    }


def _parameters(cls: type[Step[Any]]) -> dict[str, dict[str, Any]]:
    found = {}
    for name, field in cls.Params.model_fields.items():
        default: Any = _REQUIRED
        if not field.is_required():
            value = field.get_default(call_default_factory=True)
            default = to_jsonable_python(value, exclude_none=True)
        found[name] = {"default": default, "meaning": field.description or ""}
    return found


def _columns(cls: type[Step[Any]]) -> tuple[Column, ...]:
    """The columns under default parameters; those of a filter do not depend on its parameters.

    Nor do those of a scorer that cannot be built without any.
    """
    if issubclass(cls, Scorer):
        wanted = any(field.is_required() for field in cls.Params.model_fields.values())
        return cls.columns(cls.__new__(cls)) if wanted else cls().columns()
    if issubclass(cls, Filter):
        return cls.adds(cls.__new__(cls))
    return ()
