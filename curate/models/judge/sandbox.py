"""Templates of somebody else: without Python's objects, and bounded in work and size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from curate.errors import CurateError, first_line

if TYPE_CHECKING:
    from jinja2 import Template, Undefined
    from jinja2.runtime import Context
    from jinja2.sandbox import SandboxedEnvironment

MAX_CHARACTERS = 1 << 26
"""Length of a question: far beyond what any model reads."""
_PADDING = frozenset(
    [
        "center",
        "expandtabs",
        "format",
        "format_map",
        "indent",
        "ljust",
        "rjust",
        "wordwrap",
        "zfill",
    ]
)
"""Filters and methods of texts that make a text of any length out of a number."""
_LOOPS = ("range", "lipsum", "cycler", "joiner", "namespace", "dict")
_GROWING = frozenset(["*", "**", "%"])


def question_environment(undefined: type[Undefined]) -> SandboxedEnvironment:
    """Return an environment whose templates loop only over their variables and pad no text.

    Args:
        undefined: class of variables that do not exist.
    """
    from jinja2.exceptions import SecurityError
    from jinja2.sandbox import SandboxedEnvironment

    class Environment(SandboxedEnvironment):
        intercepted_binops = _GROWING

        def is_safe_attribute(self, obj: object, attr: str, value: object) -> bool:
            return attr not in _PADDING and super().is_safe_attribute(obj, attr, value)

        def call_binop(
            self, context: Context, operator: str, first_operand: object, second_operand: object
        ) -> object:
            if not all(isinstance(side, (int, float)) for side in (first_operand, second_operand)):
                raise SecurityError(f"{operator} of texts or lists")
            if operator == "**":
                raise SecurityError("powers")
            return super().call_binop(context, operator, first_operand, second_operand)

    environment = Environment(undefined=undefined, keep_trailing_newline=False)
    for name in _LOOPS:
        environment.globals.pop(name, None)
    for name in _PADDING:
        environment.filters.pop(name, None)
    return environment


def render_bounded(template: Template, values: Mapping[str, object], where: str) -> str:
    """Return what the template makes of the values.

    Raises:
        CurateError: it reaches for what it must not, fails, or grows beyond `MAX_CHARACTERS`.
    """
    pieces: list[str] = []
    count = 0
    try:
        for piece in template.generate(values):
            count += len(piece)
            if count > MAX_CHARACTERS:
                raise ValueError(f"more than {MAX_CHARACTERS:,} characters")
            pieces.append(piece)
    except Exception as error:  # whatever an expression of the template runs into
        raise CurateError(
            "the template cannot be used",
            where=where,
            found=f"{type(error).__name__}: {first_line(error)}",
            fix="use variables, if, for over variables, and plain filters",
        ) from None
    return "".join(pieces)
