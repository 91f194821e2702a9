"""Tool calls of an answer, and whether they are such as the tools' schemas want."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from curate.scoring.texts import (
    UncheckableSchemaError,
    decode_message,
    message_tool_calls,
    parse_json_object,
    schema_problem,
)

Call = tuple[str, Any]
"""Name and arguments."""
_OPEN, _CLOSE = "<tool_call>", "</tool_call>"


def parse_tool_calls(messages: Sequence[Mapping[str, Any]]) -> list[Call]:
    """Return the calls of an answer: fields of its messages, and `<tool_call>` texts of plain
    ones."""
    calls: list[Call] = []
    for message in messages:
        if message["more"] is not None:
            calls += message_tool_calls(decode_message(message))
        elif _OPEN in (message["content"] or ""):
            # By hand: a pattern with blanks at both ends would look at long ones again and again.
            _, *texts = message["content"].split(_OPEN)
            calls += [_parse_call(text.partition(_CLOSE)[0].strip()) for text in texts]
    return calls


def _parse_call(text: str) -> Call:
    call = parse_json_object(text)
    if not isinstance(call, dict):
        return "", text
    return str(call.get("name", "")), parse_json_object(
        call.get("arguments", call.get("parameters"))
    )


class ToolSet:
    """The tools of a row, by name.

    Args:
        tools: as published: OpenAI's {type, function}, plain {name, parameters}, or {name,
            input_schema}; each may be a JSON text.
    """

    def __init__(self, tools: Sequence[Any]) -> None:
        self._schemas: dict[str, Any] = {}
        for tool in tools:
            definition = parse_json_object(tool)
            function = (
                definition.get("function", definition) if isinstance(definition, dict) else {}
            )
            if isinstance(function, dict) and isinstance(function.get("name"), str):
                schema = function.get("parameters", function.get("input_schema"))
                self._schemas[function["name"]] = parse_json_object(schema)

    def problem(self, call: Call) -> str | None:
        """Return what is wrong with a call, None where nothing is.

        Arguments must be a JSON object, the name one of the tools', and the arguments such as its
        schema wants.
        """
        name, arguments = call
        if not isinstance(arguments, dict) and arguments is not None:
            return f"arguments of '{name}' are no JSON object"
        if not self._schemas:
            return None
        if name not in self._schemas:
            return f"there is no tool '{name}'"
        return self._against_schema(name, arguments or {})

    def _against_schema(self, name: str, arguments: dict[str, Any]) -> str | None:
        schema = self._schemas[name]
        if not isinstance(schema, dict):
            return None
        try:
            problem = schema_problem(schema, arguments)
        except UncheckableSchemaError as error:
            return f"the schema of '{name}' is wrong: {error}"
        return None if problem is None else f"'{name}': {problem}"


def are_same_calls(first: Sequence[Call], second: Sequence[Call]) -> bool:
    """Return whether two answers make the same calls in the same order."""
    return [_canonical_call(call) for call in first] == [_canonical_call(call) for call in second]


def _canonical_call(call: Call) -> str:
    # JSON objects have no order: the same arguments in another order are the same call.
    return json.dumps(call, sort_keys=True, default=str)
