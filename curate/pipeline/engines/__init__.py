"""Where the steps of a plan run: on this machine, or on many."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from curate.pipeline.config import EngineConfig
    from curate.pipeline.engines.base import Engine


def make_engine(settings: EngineConfig) -> Engine:
    """Return the engine of the settings; raises CurateError where it is not installed or not
    reached.
    """
    if settings.name == "ray":
        from curate.pipeline.engines.ray import RayEngine

        return RayEngine(settings)
    from curate.data.process import available_cores
    from curate.pipeline.engines.limits import check_workers
    from curate.pipeline.engines.local import LocalEngine

    check_workers(settings.workers, available_cores())
    return LocalEngine(settings.workers or 1)
