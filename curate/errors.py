"""The one exception for a user's mistake: it says where, what, and how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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
        self.problem = problem
        self.where = where
        self.found = found
        self.expected = expected
        self.fix = fix
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
