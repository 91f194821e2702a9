"""The exception for user errors: where, what, how to fix it, without credentials."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

MASK = "***"
_USER = re.compile(r"(?<=://)[^/\s@'\"]+@")
_QUERY = re.compile(r"([?&;][^=?&;\s'\"#]*)=[^&\s'\"#]+")
_BEARER = re.compile(r"(?i)\b(bearer|basic|token)\s+[A-Za-z0-9._~+/=-]{6,}")
# Words of a key whose value is a secret wherever the key stands.
_SECRET_WORDS = frozenset(
    [
        "password",
        "passwd",
        "pwd",
        "passphrase",
        "secret",
        "credential",
        "credentials",
        "signature",
        "authorization",
        "authorisation",
        "cookie",
        "bearer",
        "apikey",
        "accesskey",
    ]
)
_SECRET_KEYS = frozenset(["api", "access", "account", "private", "sas"])
_SECRET_TOKENS = frozenset(["access", "auth", "api", "session", "refresh", "hf"])
# Too common to be secrets as parameters of steps: only in what goes into a request.
_SECRET_IN_REQUEST = frozenset(["key", "token", "auth", "pass"])
_REQUESTS = frozenset(["request", "headers", "extra_headers", "storage_options"])
_NAMES_OF_VARIABLES = "_env"
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


class CurateError(Exception):
    """A mistake in data, configuration or arguments that the user can fix.

    The command line prints it without a stack trace and exits with code 2. Credentials in any of
    the texts are masked.

    Args:
        problem: what is wrong, in one sentence.
        where: file, row, line or key of the mistake.
        found: the value that is there.
        expected: what the value should be.
        fix: how to fix it.

    Examples:
        >>> print(CurateError("unknown key", where="filters.0", found="'kep'", fix="write 'keep'"))
        unknown key
          where:    filters.0
          found:    'kep'
          fix:      write 'keep'
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
        """Return the message as plain lines, the problem first."""
        lines = [self.problem]
        for label in ("where", "found", "expected", "fix"):
            value = getattr(self, label)
            if value is not None:
                lines.append(f"  {label + ':':<10}{value}")
        return "\n".join(lines)


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """Return the valid name that is closest to `name`, or None if none is similar.

    Examples:
        >>> nearest("reward_margn", ["lengths", "reward_margin"])
        'reward_margin'
        >>> nearest("x", ["lengths", "reward_margin"]) is None
        True
    """
    close = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.5)
    return close[0] if close else None


def suggestion(name: str, valid: Iterable[str]) -> str:
    """Return the text of a fix: the closest valid name if there is one, and all valid names.

    Examples:
        >>> suggestion("length", ["lengths", "ties"])
        "did you mean 'lengths'? (valid: lengths, ties)"
    """
    names = sorted(valid)
    closest = nearest(name, names)
    listing = ", ".join(names)
    return f"did you mean '{closest}'? (valid: {listing})" if closest else f"valid: {listing}"


def mask_text(text: str) -> str:
    """Return the text with credentials and query values of its URLs, and bearer tokens, masked."""
    if "://" in text:
        text = _QUERY.sub(rf"\1={MASK}", _USER.sub(f"{MASK}@", text))
    return _BEARER.sub(rf"\1 {MASK}", text)


def mask(value: Any, name: str = "", in_request: bool = False) -> Any:
    """Return plain data with credentials in URLs masked, and values whose key names a secret.

    Args:
        value: plain data.
        name: key under which it stands.
        in_request: whether it is part of what goes to a server, where also `key`, `token`, `auth`
            and `pass` hold secrets; parameters of steps have such names too.
    """
    in_request = in_request or name in _REQUESTS
    if isinstance(value, dict):
        return {key: mask(inner, str(key), in_request) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [mask(inner, name, in_request) for inner in value]
    scalar = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    if scalar and _names_secret(name, in_request):
        return MASK
    return mask_text(value) if isinstance(value, str) else value


def _names_secret(name: str, in_request: bool) -> bool:
    """Return whether a key says that its value is a secret."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words or name.endswith(_NAMES_OF_VARIABLES):
        return False
    if not _SECRET_WORDS.isdisjoint(words) or (in_request and words[-1] in _SECRET_IN_REQUEST):
        return True
    return any(
        (word == "key" and before in _SECRET_KEYS) or (word == "token" and before in _SECRET_TOKENS)
        for before, word in pairwise(words)
    )


def is_masked(text: str) -> bool:
    """Return whether credentials in this text were masked, so that it is no usable URL."""
    return MASK in text


def first_line(error: BaseException) -> str:
    """Return the first line of the error's text, or its type if it has no text."""
    text = str(error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__
