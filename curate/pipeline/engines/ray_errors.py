"""Errors of Ray's workers, unwrapped."""

from __future__ import annotations

from curate.errors import CurateError


def users_error(error: BaseException) -> BaseException:
    """The user's mistake that a worker met, out of what Ray wraps it in; else the error itself."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, CurateError):
            return seen
        seen = getattr(seen, "cause", None) or seen.__cause__
    return error
