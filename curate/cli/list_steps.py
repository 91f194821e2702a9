"""What is installed: scorers, filters, formats and exports, as plain data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic_core import to_jsonable_python

from curate.errors import CurateError
from curate.steps.contracts import Column, Filter, Scorer, Step
from curate.steps.entries import filter_names, scorer_names
from curate.steps.registry import filter_class, scorer_class

_REQUIRED = "required"


def list_of_steps() -> dict[str, Any]:
    """Every scorer and filter with parameters and columns, every format and export.

    A plug-in that cannot be used stands under `unusable` with the reason; the others go on.
    """
    unusable: dict[str, str] = {}
    from curate.read.formats import format_names
    from curate.write.exports import export_names

    return {
        "scorers": entries(scorer_names(), scorer_class, unusable),
        "filters": entries(filter_names(), filter_class, unusable),
        "formats": format_names(),
        "exports": export_names(),
        "unusable": unusable,
    }


def entries(
    names: list[str], load: Callable[[str], type[Step[Any]]], unusable: dict[str, str]
) -> dict[str, Any]:
    """The steps that can be loaded; why the others cannot goes into `unusable`."""
    found = {}
    for name in names:
        try:
            found[name] = _entry(load(name))
        except CurateError as error:
            unusable[name] = error.text()
    return found


def _entry(cls: type[Step[Any]]) -> dict[str, Any]:
    return {
        "summary": cls.summary,
        "purpose": cls.purpose,
        "when": cls.when,
        "cost": cost_of(cls),
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


def cost_of(cls: type[Step[Any]]) -> str:
    """What computing it takes, from what it declares."""
    fields = cls.Params.model_fields
    if issubclass(cls, Filter):
        return "a pass over columns"
    if "base_url" in fields:
        return "requests to an endpoint"
    if {"model", "models", "policy", "reference", "strong"} & set(fields) and "head" not in fields:
        return "forward passes of a model"
    if issubclass(cls, Scorer) and cls.scope == "row":
        return "a pass over texts"
    needs = cls.needs_embeddings if issubclass(cls, Scorer) else False
    return "one embedding pass, shared by all, and fits on it" if needs else "a pass over all pairs"


def _parameters(cls: type[Step[Any]]) -> dict[str, dict[str, Any]]:
    found = {}
    for name, field in cls.Params.model_fields.items():
        default: Any = _REQUIRED
        if not field.is_required():
            value = field.get_default(call_default_factory=True, validated_data={})
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
