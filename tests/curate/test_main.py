"""The process ends at once, after everything that was to be done has been done."""

from __future__ import annotations

import subprocess
import sys

import pytest

_RUN = "sys.argv = ['curate', '{}']; from curate.__main__ import run_process; run_process()"


@pytest.mark.parametrize(("word", "code"), [("--version", 0), ("--no-such-option", 2)])
def test_exit_codes_and_what_libraries_registered(word: str, code: int) -> None:
    """A temporary folder would stay, and a worker process go on, without what they registered."""
    script = f"import atexit, sys; atexit.register(print, 'at exit'); {_RUN.format(word)}"
    process = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert process.returncode == code
    assert process.stdout.endswith("at exit\n")
    assert ("curate 0" in process.stdout) == (code == 0)


def test_a_thread_that_is_no_daemon_is_waited_for() -> None:
    """As at the end of any Python program."""
    script = (
        "import sys, threading, time\n"
        "threading.Thread(target=lambda: (time.sleep(0.5), print('thread'))).start()\n"
        + _RUN.format("--version")
    )
    process = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert process.stdout.splitlines()[-1] == "thread"
    assert process.returncode == 0
