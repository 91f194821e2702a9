"""Finds duplicate keys in JSON objects, of which parsers silently take the last."""

from __future__ import annotations

import json
from collections.abc import Iterable

from curate.errors import CurateError


def may_repeat_keys(data: bytes, value: object) -> bool:
    """Return whether the text of a value may hold a key twice; False is certain.

    It holds as many keys as there are quote marks before a colon, but for those within texts, which
    are escaped. A text that begins with a colon, or space before one, makes it count amiss; then
    `check_keys` has the last word, which takes ten times as long as to parse.
    """
    try:
        keys = _count_keys(value)
    except RecursionError:  # hundreds of levels deep: nothing that a pair is made of
        return False
    key_ends = data.count(b'":')
    # The second count is not free, and nearly no text holds such marks.
    return key_ends != keys and key_ends - data.count(b'\\":') != keys


def _count_keys(value: object) -> int:
    """Count the keys of all objects in a value."""
    values: Iterable[object]
    if isinstance(value, dict):
        count, values = len(value), value.values()
    elif isinstance(value, list):
        count, values = 0, value
    else:
        return 0
    for item in values:
        # Texts and numbers are most of what there is: no call for them.
        if type(item) is dict or type(item) is list:
            count += _count_keys(item)
    return count


def check_keys(text: str, where: str, start: int | None = None) -> int:
    """Refuse an object with a duplicate key.

    Args:
        text: one JSON value; or several, of which the one at `start` is looked at.
        where: for the error.
        start: where the value begins; None: the text is one value.

    Returns:
        Where the value ends.

    Raises:
        CurateError: with the key.
        ValueError: it is no JSON.
    """

    def once(items: list[tuple[str, object]]) -> None:
        names = [name for name, _ in items]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise CurateError(
                "duplicate key",
                where=where,
                found=f"{twice[:60]!r} in one object",
                fix="rename or remove one of them",
            )

    decoder = json.JSONDecoder(object_pairs_hook=once)
    if start is None:
        decoder.decode(text)
        return len(text)
    return decoder.raw_decode(text, start)[1]
