"""Checks a tool call's arguments against a JSON schema that the data brings, at bounded cost.

A schema is somebody else's: its patterns could backtrack without end, and its references could
unfold to more checks than there are atoms. Patterns run in linear time, references are counted,
and what goes beyond the bound is reported as unchecked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import polars as pl

from curate.optional_packages import need

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

    from curate.data.json_types import Json

_MAX_REFERENCES = 2_000
"""References that one check may follow; a real schema needs a few dozen."""
_MAX_DEPTH = 100
_UNCHECKED = ("patternProperties", "format", "$dynamicRef", "$recursiveRef")
"""Keywords that are left out: their own engine backtracks, or they refer in circles."""


class UncheckableSchemaError(Exception):
    """A schema that cannot be checked within the bounds."""


def schema_problem(schema: Mapping[str, Json], arguments: Mapping[str, Json]) -> str | None:
    """Return what is wrong with arguments by a schema, None where nothing is.

    Args:
        schema: JSON schema of draft 2020-12.
        arguments: of a call.

    Raises:
        UncheckableSchemaError: the schema is no schema, too deep, or unfolds too far.
    """
    need("jsonschema", "methods", "schemas of tools")
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError, best_match
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    if _depth_exceeds(schema, _MAX_DEPTH) or _depth_exceeds(arguments, _MAX_DEPTH):
        raise UncheckableSchemaError(f"nested more than {_MAX_DEPTH} deep")
    try:
        bounded = _without_unchecked(schema)
        Draft202012Validator.check_schema(bounded)
        # An empty registry: no schema is fetched from anywhere.
        checker = _bounded_validator()(bounded, registry=Registry())
        error = best_match(checker.iter_errors(arguments))
    except (SchemaError, Unresolvable, RecursionError, OverflowError, ValueError) as error:
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise UncheckableSchemaError(first_line[:80]) from None
    return None if error is None else str(error.message)[:120]


def _bounded_validator() -> type[Validator]:
    """Return a validator class that counts the references of one check, and has linear patterns."""
    from jsonschema import Draft202012Validator, ValidationError
    from jsonschema.validators import extend

    references = 0
    follow = Draft202012Validator.VALIDATORS["$ref"]

    def count_references(
        validator: Validator, ref: str, instance: Json, schema: Json
    ) -> Iterator[ValidationError]:
        nonlocal references
        references += 1
        if references > _MAX_REFERENCES:
            raise UncheckableSchemaError(f"more than {_MAX_REFERENCES:,} references")
        yield from follow(validator, ref, instance, schema) or ()

    def match_pattern(
        _validator: Validator, pattern: str, instance: Json, _schema: Json
    ) -> Iterator[ValidationError]:
        if isinstance(instance, str) and not _contains(instance, pattern):
            yield ValidationError(f"{instance[:60]!r} does not match {pattern!r}")

    bounded: type[Validator] = extend(
        Draft202012Validator, {"$ref": count_references, "pattern": match_pattern}
    )
    return bounded


def _contains(text: str, pattern: str) -> bool:
    """Return whether a text holds a pattern; True for patterns that the linear engine lacks."""
    try:
        return bool(pl.Series([text]).str.contains(pattern)[0])
    except pl.exceptions.ComputeError:
        return True


def _without_unchecked(value: Json) -> Json:
    """Return a schema without the keywords that are left out.

    Where properties may match a pattern, others are not refused as additional ones.
    """
    if isinstance(value, list):
        return [_without_unchecked(item) for item in value]
    if not isinstance(value, dict):
        return value
    dropped = set(_UNCHECKED)
    if "patternProperties" in value:
        dropped |= {"additionalProperties", "unevaluatedProperties"}
    return {key: _without_unchecked(item) for key, item in value.items() if key not in dropped}


def _depth_exceeds(value: Json, limit: int) -> bool:
    """Return whether plain data is nested deeper than a limit, without recursion."""
    level: list[Json] = [value]
    for _ in range(limit):
        children: list[Json] = [
            child
            for item in level
            if isinstance(item, (dict, list))
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, (dict, list))
        ]
        if not children:
            return False
        level = children
    return True
