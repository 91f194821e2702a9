"""Runs a pipeline and halts it at a step: by SIGKILL, by SIGSTOP, by a quota, or as another user.

Called as `python -m tests.robustness.interrupted_run ACTION STEP`, in a folder with pipeline.yaml.
"""

from __future__ import annotations

import functools
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

STEPS = {
    "reading": "curate.read.reader:Reader._take_rows",
    "embedding": "curate.pipeline.session:embed_frame",
    "scoring": "curate.pipeline.scoring:PairScorer.score_all",
    "filtering": "curate.pipeline.session:run_filters",
    "writing": "curate.write.shards:ShardWriter.write",
    "signing": "curate.write.run_folder:write_checksums",
    "swapping": "curate.write.run_folder:replace_folder",
}
"""Where each step of a run begins: module and name."""
QUOTA = 2048


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (QUOTA, QUOTA))


def _turn_clock_back() -> None:
    real, monotonic_day = time.time, 86_400.0
    time.time = lambda: real() - monotonic_day


ACTIONS: dict[str, Callable[[], None]] = {
    "kill": _kill,
    "stop": _stop,
    "quota": _limit,
    "clock": _turn_clock_back,
}


def halt_at(step: str, action: Callable[[], None]) -> None:
    """Have the action happen once, when the step is first entered."""
    module_name, _, path = STEPS[step].partition(":")
    owner: Any = __import__(module_name, fromlist=["_"])
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    original, entered = getattr(owner, name), []

    @functools.wraps(original)
    def halting(*args: Any, **named: Any) -> Any:
        if not entered:
            entered.append(step)
            print(f"entered {step}", flush=True)
            action()
        return original(*args, **named)

    setattr(owner, name, halting)


if __name__ == "__main__":
    from curate.cli.app import main

    halt_at(sys.argv[2], ACTIONS[sys.argv[1]])
    sys.argv = ["curate", "run", "pipeline.yaml", "-o", "out"]
    main()
