"""Answers whose tokens are shaded by what they contribute to a margin."""

from __future__ import annotations

import json
from collections.abc import Mapping

from markupsafe import Markup, escape

_COLOUR_FOR, _COLOUR_AGAINST = "46,125,50", "198,40,40"
# Opacity of the strongest colour, on which text can still be read.
_MAX_OPACITY = 0.85
_SIDES = ("chosen_tokens", "rejected_tokens")


def highlight_tokens(row: Mapping[str, object]) -> list[tuple[str, list[Markup]]]:
    """Name of each step that gives tokens, and both answers shaded.

    Green speaks for the label, red against it; the strongest of the pair is the darkest.

    Args:
        row: a row of a run's view; a step's tokens are JSON of [text, contribution] pairs.
    """
    highlighted = []
    for step in (name.rpartition(".")[0] for name in row if name.endswith(f".{_SIDES[0]}")):
        texts = [row.get(f"{step}.{answer}") for answer in _SIDES]
        if None in texts:
            continue
        sides = [json.loads(text) for text in texts if isinstance(text, str)]
        sizes = [abs(value) for answer in sides for _, value in answer if value is not None]
        largest = max(sizes, default=0.0) or 1.0
        highlighted.append((step, [_highlight_answer(answer, largest) for answer in sides]))
    return highlighted


def _highlight_answer(tokens: list[tuple[str, float | None]], largest: float) -> Markup:
    return Markup("").join(_highlight_token(text, value, largest) for text, value in tokens)


def _highlight_token(text: str, value: float | None, largest: float) -> Markup:
    if not value:
        return escape(text)
    colour = _COLOUR_FOR if value > 0 else _COLOUR_AGAINST
    alpha = _MAX_OPACITY * abs(value) / largest
    return Markup('<span style="background:rgba({},{:.2f})" title="{:+.4f}">{}</span>').format(
        colour, alpha, value, text
    )
