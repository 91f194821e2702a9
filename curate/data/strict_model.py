"""Base models of the sections of pipeline.yaml; each package defines its own section."""

from __future__ import annotations

import math
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, model_validator

# Of an integer that polars and YAML libraries of other languages can hold.
_LARGEST = 2**63 - 1


class StrictModel(BaseModel):
    """A model whose numbers are numbers: finite, within 64 bits, and no bools."""

    @model_validator(mode="before")
    @classmethod
    def _numbers(cls, values: Any) -> Any:
        if isinstance(values, dict):
            for name, value in values.items():
                field = cls.model_fields.get(str(name))
                if isinstance(value, bool) and field and not _takes_bool(field.annotation):
                    raise ValueError(
                        f"'{name}' is {str(value).lower()}, which is no number or text"
                    )
                _check_numbers(value, str(name))
        return values


class YamlSection(StrictModel):
    """A section of pipeline.yaml; unknown keys are an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _takes_bool(annotation: Any) -> bool:
    """Return whether a field accepts a bool: all but fields of plain numbers and texts."""
    parts = get_args(annotation) or (annotation,)
    return not set(parts) <= {int, float, str, type(None)}


def _check_numbers(value: object, name: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"'{name}' is {value}; expected a finite number")
    if isinstance(value, int) and not -_LARGEST - 1 <= value <= _LARGEST:
        raise ValueError(f"'{name}' is beyond 64 bits")
    if isinstance(value, dict):
        for key, inner in value.items():
            _check_numbers(inner, f"{name}.{key}")
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _check_numbers(inner, name)
