"""`python -m curate`, and the command `curate`."""

import atexit
import os
import sys
import threading

from curate.cli.app import main


def run_process() -> None:
    """Run the command line in a process of its own, which ends as soon as the work is done.

    To take apart, object by object, what libraries have loaded takes a CPU second after torch; the
    system frees all of it at once.
    """
    code = 0
    try:
        main()
    except SystemExit as ending:
        # A message instead of a number, or threads that others wait for: Python knows how to end.
        if not isinstance(ending.code, int | None) or _has_waiting_threads():
            raise
        code = ending.code or 0
    sys.stdout.flush()
    sys.stderr.flush()
    # What libraries have registered: worker processes, temporary folders, clusters.
    atexit._run_exitfuncs()
    os._exit(code)


def _has_waiting_threads() -> bool:
    main_thread = threading.main_thread()
    return any(t is not main_thread and not t.daemon for t in threading.enumerate())


if __name__ == "__main__":
    run_process()
