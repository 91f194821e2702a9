"""Installed scorers, filters, formats and exports, as plain data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic_core import to_jsonable_python

from curate.errors import CurateError
from curate.steps.contracts import Column, Filter, Scorer, Step
from curate.steps.declarations import Input, Scope
from curate.steps.entries import filter_names, scorer_names
from curate.steps.registry import filter_class, scorer_class

_REQUIRED = "required"


def list_of_steps() -> dict[str, Any]:
    """Return all scorers and filters with parameters and columns, and all formats and exports.

    Plug-ins that cannot be imported are listed under `unusable` with the reason.
    """
    unusable: dict[str, str] = {}
    from curate.read.formats import registry as formats
    from curate.write.exports import registry as exports

    steps = {
        "scorers": load_entries(scorer_names(), scorer_class, unusable),
        "filters": load_entries(filter_names(), filter_class, unusable),
        "formats": formats.format_names(),
        "exports": exports.export_names(),
    }
    unusable |= formats.CATALOGUE.unusable | exports.CATALOGUE.unusable
    return steps | {"unusable": unusable}


def load_entries(
    names: list[str], load: Callable[[str], type[Step[Any]]], unusable: dict[str, str]
) -> dict[str, Any]:
    """Describe the steps that can be loaded; add the errors of the others to `unusable`."""
    loaded = {}
    for name in names:
        try:
            loaded[name] = _describe_step(load(name))
        except CurateError as error:
            unusable[name] = error.text()
    return loaded


def _describe_step(cls: type[Step[Any]]) -> dict[str, Any]:
    return {
        "summary": cls.summary,
        "purpose": cls.purpose,
        "standing": cls.standing,
        "when": cls.when,
        "cost": describe_cost(cls),
        "reference": cls.reference,
        "parameters": _describe_parameters(cls),
        "columns": [
            {
                "name": f"{cls.name}.{c.name}",
                "meaning": c.meaning,
                "direction": c.direction,
                "unit": c.unit,
            }
            for c in _default_columns(cls)
        ],
    }


def describe_cost(cls: type[Step[Any]]) -> str:
    """Return the computing cost of a step, from its declaration."""
    fields = cls.Params.model_fields
    if issubclass(cls, Filter):
        return "a pass over columns"
    if "base_url" in fields:
        return "requests to an endpoint"
    inputs = cls.inputs if issubclass(cls, Scorer) else frozenset[Input]()
    if Input.MODEL in inputs:
        return "forward passes of a model"
    if issubclass(cls, Scorer) and cls.scope is Scope.ROW:
        return "a pass over texts"
    needs = Input.EMBEDDINGS in inputs
    return "one shared embedding pass, and fits on it" if needs else "a pass over all pairs"


def _describe_parameters(cls: type[Step[Any]]) -> dict[str, dict[str, Any]]:
    parameters = {}
    for name, field in cls.Params.model_fields.items():
        default: Any = _REQUIRED
        if not field.is_required():
            value = field.get_default(call_default_factory=True, validated_data={})
            default = to_jsonable_python(value, exclude_none=True)
        parameters[name] = {"default": default, "meaning": field.description or ""}
    return parameters


def _default_columns(cls: type[Step[Any]]) -> tuple[Column, ...]:
    """Return the columns for default parameters.

    The columns of a filter do not depend on its parameters, nor do those of a scorer with required
    parameters.
    """
    if issubclass(cls, Scorer):
        has_required = any(field.is_required() for field in cls.Params.model_fields.values())
        return cls.columns(cls.__new__(cls)) if has_required else cls().columns()
    if issubclass(cls, Filter):
        return cls.adds(cls.__new__(cls))
    return ()
