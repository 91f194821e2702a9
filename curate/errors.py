"""The one exception for a user's mistake: where, what, how to mend it, and no credentials."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

MASK = "***"
_USER = re.compile(r"(?<=://)[^/\s@'\"]+@")
_QUERY = re.compile(r"([?&;][^=&\s'\"#]*)=[^&\s'\"#]+")
_BEARER = re.compile(r"(?i)\b(bearer|basic|token)\s+[A-Za-z0-9._~+/=-]{6,}")
_NAMES = re.compile(
    r"(?i)(pass(word|wd)?|secret|token|authori[sz]ation|cookie|credential|signature|private|"
    r"(api|access|account|sas)[_-]?key|^key$|^auth$)"
)
_NO_SECRETS = {"api_key_env", "reply_tokens", "batch_tokens", "max_tokens", "budget_tokens"}
"""Keys of our own whose names sound like secrets and whose values are none."""


class CurateError(Exception):
    """A mistake in data, configuration or arguments that the user can mend.

    The command line prints it without a stack trace and exits with code 2.

    Args:
        problem: what is wrong, in one sentence.
        where: file, row, line or key at which it was found.
        found: what stands there.
        expected: what should stand there.
        fix: how to mend it.
    """

    def __init__(
        self,
        problem: str,
        *,
        where: str | None = None,
        found: str | None = None,
        expected: str | None = None,
        fix: str | None = None,
    ) -> None:
        self.problem = mask_text(problem)
        self.where = None if where is None else mask_text(where)
        self.found = None if found is None else mask_text(found)
        self.expected = expected
        self.fix = None if fix is None else mask_text(fix)
        super().__init__(self.text())

    def text(self) -> str:
        """The message as plain lines, the problem first."""
        parts = [self.problem]
        for label in ("where", "found", "expected", "fix"):
            value = getattr(self, label)
            if value is not None:
                parts.append(f"  {label + ':':<10}{value}")
        return "\n".join(parts)


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name that is closest to `name`, or None where nothing is near."""
    close = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.5)
    return close[0] if close else None


def suggestion(name: str, valid: Iterable[str]) -> str:
    """A fix that names the nearest valid name, or lists them all."""
    names = sorted(valid)
    near = nearest(name, names)
    listing = ", ".join(names)
    return f"did you mean '{near}'? (valid: {listing})" if near else f"valid: {listing}"


def mask_text(text: str) -> str:
    """The text with user names and passwords, and values of the query, of URLs in it masked."""
    if "://" in text:
        text = _QUERY.sub(rf"\1={MASK}", _USER.sub(f"{MASK}@", text))
    return _BEARER.sub(rf"\1 {MASK}", text)


def mask(value: Any, name: str = "") -> Any:
    """Plain data with texts masked, and values whose key says that they are secret."""
    if isinstance(value, dict):
        return {key: mask(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [mask(inner, name) for inner in value]
    secret = name not in _NO_SECRETS and not name.endswith("_tokens") and _NAMES.search(name)
    if secret and isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return MASK
    return mask_text(value) if isinstance(value, str) else value


def is_masked(text: str) -> bool:
    """Whether credentials of this text were masked, so that it leads nowhere any more."""
    return MASK in text


def first_line(error: BaseException) -> str:
    """The error's text in one line, its kind where it has none."""
    text = str(error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__
