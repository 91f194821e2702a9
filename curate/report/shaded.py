"""Answers whose tokens are shaded by what they contribute to a margin."""

from __future__ import annotations

import json
from typing import Any

from markupsafe import Markup, escape

_FOR, _AGAINST = "46,125,50", "198,40,40"
# Opacity of the strongest colour, on which text can still be read.
_STRONGEST = 0.85
_SIDES = ("chosen_tokens", "rejected_tokens")


def shaded_answers(row: dict[str, Any]) -> list[tuple[str, list[Markup]]]:
    """Name of each step that gives tokens, and both answers shaded.

    Green speaks for the label, red against it; the strongest of the pair is the darkest.

    Args:
        row: of a run's view; a step's tokens are JSON of [text, contribution] pairs.
    """
    found = []
    for step in (name.rpartition(".")[0] for name in row if name.endswith(f".{_SIDES[0]}")):
        texts = [row.get(f"{step}.{side}") for side in _SIDES]
        if None in texts:
            continue
        sides = [json.loads(text) for text in texts if text is not None]
        sizes = [abs(value) for side in sides for _, value in side if value is not None]
        most = max(sizes, default=0.0) or 1.0
        found.append((step, [_shaded(side, most) for side in sides]))
    return found


def _shaded(tokens: list[tuple[str, float | None]], most: float) -> Markup:
    return Markup("").join(_token(text, value, most) for text, value in tokens)


def _token(text: str, value: float | None, most: float) -> Markup:
    if not value:
        return escape(text)
    colour = _FOR if value > 0 else _AGAINST
    alpha = _STRONGEST * abs(value) / most
    return Markup('<span style="background:rgba({},{:.2f})" title="{:+.4f}">{}</span>').format(
        colour, alpha, value, text
    )
