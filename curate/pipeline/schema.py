"""JSON schema of pipeline.yaml, assembled from the steps that are installed.

A step is chosen by its `type` alone: editors and validators then report the one mistake in it, and
not that it is none of sixty steps.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from curate.data.json_types import Json, JsonObject
from curate.errors import CurateError
from curate.pipeline.config import PipelineConfig
from curate.read.formats import format_names
from curate.steps.contracts import Step
from curate.steps.entries import filter_names, scorer_names
from curate.steps.registry import filter_class, scorer_class
from curate.write.exports import export_names


def pipeline_schema() -> JsonObject:
    """Return the schema as plain data, for editors (yaml-language-server) and other checkers."""
    schema = PipelineConfig.model_json_schema()
    definitions = schema["$defs"]
    # It allows any key; each step has a schema of its own below.
    definitions.pop("StepConfig")
    for section, names, load in (
        ("scorers", scorer_names(), scorer_class),
        ("filters", filter_names(), filter_class),
    ):
        steps = []
        for name in names:
            with suppress(CurateError):  # a plug-in that cannot be used has no parameters to check
                steps.append(_step_schema(name, load(name), definitions))
        schema["properties"][section]["items"] = _chosen_by_type(steps)
    source_filters = definitions["SourceConfig"]["properties"]["filters"]
    source_filters["items"] = schema["properties"]["filters"]["items"]
    # Short forms, of which pydantic's schema knows nothing: a name of the engine, and a list at
    # `input`, which is the same as `sources`. As conditions, so that a mistake has one error.
    properties = schema["properties"]
    engines, sources = {"enum": ["local", "ray"]}, properties["sources"]["items"]
    properties["engine"] = {"if": {"type": "string"}, "then": engines, "else": properties["engine"]}
    single_input = {"if": {"type": "object"}, "then": {"$ref": "#/$defs/InputConfig"}}
    several = {"if": {"type": "array"}, "then": {"items": sources}}
    kinds: JsonObject = {"type": ["object", "array", "null"], "allOf": [single_input, several]}
    properties["input"] = {"description": properties["input"]["description"], **kinds}
    definitions["SourceConfig"]["properties"]["format"]["enum"] = ["auto", *format_names()]
    definitions["InputConfig"]["properties"]["format"]["enum"] = ["auto", *format_names()]
    definitions["OutputConfig"]["properties"]["format"]["enum"] = list(export_names())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _chosen_by_type(steps: list[JsonObject]) -> JsonObject:
    """Return a schema of an object that is one of the steps, by its `type`."""
    choices: list[Json] = [
        {
            "if": {"properties": {"type": {"const": step["title"]}}, "required": ["type"]},
            "then": step,
        }
        for step in steps
    ]
    return {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": [step["title"] for step in steps]}},
        "allOf": choices,
    }


def _step_schema(name: str, cls: type[Step[Any]], definitions: JsonObject) -> JsonObject:
    schema = cls.Params.model_json_schema()
    definitions.update(schema.pop("$defs", {}))
    common: JsonObject = {
        "type": {"const": name, "description": cls.summary},
        "name": {"type": "string", "description": "Name in columns and reports."},
    }
    return {
        "title": name,
        "type": "object",
        "properties": common | schema.get("properties", {}),
        "required": ["type", *schema.get("required", [])],
        "additionalProperties": False,
    }
