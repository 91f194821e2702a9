"""Finds prompts that end in the middle of something: JSON, or a tag."""

from __future__ import annotations

import json
import re

_TAG = re.compile(r"</?[A-Za-z|][^<>\n]{0,200}>")
_OPENED = re.compile(r"<([A-Za-z][\w-]*)>")
_MAX_OPEN_BRACKETS = 64
"""Unclosed brackets that are tried as the start of a JSON value."""


def unfinished_structure(prefix: str, chosen: str, rejected: str) -> str | None:
    """Return what the prefix of two texts ends in, in words; None where it ends between words.

    Such a prefix is no prompt: both answers merely begin alike.

    Examples:
        >>> unfinished_structure('{"a":', '{"a": 1}', '{"a": 2}')
        'a JSON text'
        >>> unfinished_structure("Q: why? A:", "Q: why? A: yes", "Q: why? A: no") is None
        True
    """
    texts = (chosen, rejected)
    if any(_is_json_at(texts, start) for start in _unclosed_brackets(prefix)):
        return "a JSON text"
    last_bracket = prefix.rfind("<")
    if last_bracket > prefix.rfind(">") and all(_TAG.match(text, last_bracket) for text in texts):
        return "a tag"
    opened = [match for match in _OPENED.finditer(prefix) if f"</{match[1]}>" not in prefix]
    closed = [m for m in opened if all(f"</{m[1]}>" in text[len(prefix) :] for text in texts)]
    return f"the tag <{closed[0][1]}>" if closed else None


def _unclosed_brackets(prefix: str) -> list[int]:
    """Return where brackets open that the prefix does not close, outermost first."""
    if "{" not in prefix and "[" not in prefix:
        return []
    opened: list[int] = []
    for match in re.finditer(r"[{}\[\]]", prefix):
        if match[0] in "{[":
            opened.append(match.start())
        elif opened:
            opened.pop()
    return opened[:_MAX_OPEN_BRACKETS]


def _is_json_at(texts: tuple[str, str], start: int) -> bool:
    """Return whether both texts hold a JSON object or list from there on."""
    decoder = json.JSONDecoder()
    try:
        for text in texts:
            decoder.raw_decode(text, start)
    except (ValueError, RecursionError):
        return False
    return True
