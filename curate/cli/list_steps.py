"""Installed scorers, filters, formats and exports, with all that they declare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_jsonable_python

from curate.data.json_result import JsonResult
from curate.data.json_types import Json, JsonObject
from curate.errors import CurateError
from curate.steps.brief import StepSummary
from curate.steps.contracts import Column, Filter, Scorer, Step
from curate.steps.declarations import Input, Scope
from curate.steps.entries import filter_names, scorer_names
from curate.steps.registry import filter_class, scorer_class

_REQUIRED = "required"


@dataclass(frozen=True)
class ParameterDescription(JsonResult):
    """The default of a parameter, "required" where there is none, and its meaning."""

    default: Json
    meaning: str


@dataclass(frozen=True)
class ColumnDescription(JsonResult):
    """A column that a step adds.

    Attributes:
        name: `<step>.<metric>`.
        meaning: what it holds.
        direction: whether large or small values are good.
        unit: its unit.
    """

    name: str
    meaning: str
    direction: str
    unit: str


@dataclass(frozen=True)
class StepDescription(StepSummary):
    """What `curate list NAME` says of a scorer or filter.

    Attributes:
        when: when to use it.
        cost: what it computes.
        reference: the paper it follows.
        parameters: its parameters by name.
        columns: the columns that it adds.
    """

    when: str
    cost: str
    reference: str
    parameters: dict[str, ParameterDescription]
    columns: tuple[ColumnDescription, ...]

    def to_json(self) -> JsonObject:
        """Return the description as plain data; a list has the name as its key."""
        values = super().to_json()
        del values["name"]
        return values


@dataclass(frozen=True)
class Listing(JsonResult):
    """Everything that is installed.

    Attributes:
        scorers: descriptions by name.
        filters: descriptions by name.
        formats: summaries by name.
        exports: summaries by name.
        unusable: why plug-ins cannot be imported, by name.
    """

    scorers: dict[str, StepDescription]
    filters: dict[str, StepDescription]
    formats: dict[str, str]
    exports: dict[str, str]
    unusable: dict[str, str]


def list_of_steps() -> Listing:
    """Return all scorers and filters with parameters and columns, and all formats and exports.

    Plug-ins that cannot be imported are listed under `unusable` with the reason.
    """
    unusable: dict[str, str] = {}
    from curate.read.formats import registry as formats
    from curate.write.exports import registry as exports

    return Listing(
        load_entries(scorer_names(), scorer_class, unusable),
        load_entries(filter_names(), filter_class, unusable),
        formats.format_names(),
        exports.export_names(),
        unusable | formats.CATALOGUE.unusable | exports.CATALOGUE.unusable,
    )


def load_entries(
    names: list[str], load: Callable[[str], type[Step[Any]]], unusable: dict[str, str]
) -> dict[str, StepDescription]:
    """Describe the steps that can be loaded; add the errors of the others to `unusable`."""
    loaded = {}
    for name in names:
        try:
            loaded[name] = _describe_step(load(name))
        except CurateError as error:
            unusable[name] = error.text()
    return loaded


def _describe_step(cls: type[Step[Any]]) -> StepDescription:
    return StepDescription(
        name=cls.name,
        summary=cls.summary,
        purpose=cls.purpose,
        standing=cls.standing,
        when=cls.when,
        cost=describe_cost(cls),
        reference=cls.reference,
        parameters=_describe_parameters(cls),
        columns=tuple(
            ColumnDescription(f"{cls.name}.{c.name}", c.meaning, c.direction, c.unit)
            for c in _default_columns(cls)
        ),
    )


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


def _describe_parameters(cls: type[Step[Any]]) -> dict[str, ParameterDescription]:
    parameters = {}
    for name, field in cls.Params.model_fields.items():
        default: Json = _REQUIRED
        if not field.is_required():
            value = field.get_default(call_default_factory=True, validated_data={})
            default = to_jsonable_python(value, exclude_none=True)
        parameters[name] = ParameterDescription(default, field.description or "")
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
