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
                fix="workers are often killed when memory runs out: use fewer (engine.workers) or "
                "smaller shards; nothing of this run was written",
            )
        cause = getattr(cause, "cause", None) or cause.__cause__
    return error
