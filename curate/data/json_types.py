"""JSON values as types, and data classes that are read from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")
Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
JsonObject: TypeAlias = "dict[str, Json]"
# Building one takes a millisecond.
_ADAPTERS: dict[object, TypeAdapter[Any]] = {}


def parse_json(kind: type[T], data: object) -> T:
    """Return JSON data as an instance of a data class, checked field by field.

    Keys without a field are ignored: another version may have written them.

    Raises:
        ValueError: a field is missing or of another type.

    Examples:
        >>> from curate.data.json_types import parse_json
        >>> parse_json(tuple[float, float], [0, 1])
        (0.0, 1.0)
    """
    # Imported here: commands that read no JSON start without pydantic.
    from pydantic import TypeAdapter

    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    value: T = _ADAPTERS[kind].validate_python(data)
    return value
