"""Errors of Ray's workers, unwrapped."""

from __future__ import annotations

from curate.errors import CurateError, first_line


def unwrap_user_error(error: BaseException) -> BaseException:
    """Return the user's mistake that a worker met, or the error for lost workers; else the error.

    Ray wraps what a task raises, and has errors of its own for workers and results that are gone.
    """
    from ray.exceptions import ObjectLostError, OutOfMemoryError, RayActorError, WorkerCrashedError

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, CurateError):
            return cause
        if isinstance(
            cause, WorkerCrashedError | RayActorError | ObjectLostError | OutOfMemoryError
        ):
            return CurateError(
                "Ray workers were lost, also when their task was repeated",
                where="engine",
                found=first_line(cause),
                fix="workers often end for want of memory: start fewer of them (engine.workers) "
                "or write smaller shards; nothing of this run was put in place",
            )
        cause = getattr(cause, "cause", None) or cause.__cause__
    return error
