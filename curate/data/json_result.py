"""Results that rooms hand to each other, and their form in a JSON file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from curate.data.json_types import Json, JsonObject, parse_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class JsonResult:
    """A result of a command or a step; subclasses are data classes whose fields are the answer.

    Attributes:
        optional_fields: fields that are left out of a file where they are None.
    """

    optional_fields: ClassVar[frozenset[str]] = frozenset()

    def to_json(self) -> JsonObject:
        """Return the fields as plain data, results among them by their own `to_json`."""
        return {
            name: to_plain(value)
            for name, value in _field_values(self).items()
            if name not in self.optional_fields or value is not None
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Json]) -> Self:
        """Return the result that `to_json` gave as `values`; other keys are ignored.

        Raises:
            ValueError: a field is missing or of another type.
        """
        return parse_json(cls, values)


def to_plain(value: object) -> Json:
    """Return a value of a result as JSON: results, data classes, lists and mappings of them."""
    if isinstance(value, JsonResult):
        return value.to_json()
    if is_dataclass(value) and not isinstance(value, type):
        return {name: to_plain(entry) for name, entry in _field_values(value).items()}
    if isinstance(value, list | tuple):
        return [to_plain(entry) for entry in value]
    if isinstance(value, Mapping):
        return {key: to_plain(entry) for key, entry in value.items()}
    if hasattr(value, "item"):  # a number of numpy
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"not a value of a result: {type(value).__name__}")


def _field_values(result: DataclassInstance) -> dict[str, object]:
    return {field.name: getattr(result, field.name) for field in fields(result)}
