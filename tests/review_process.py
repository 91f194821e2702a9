"""`curate review` in a process of its own, and what its browser tests share."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

ARTIFACTS = Path(os.environ.get("CURATE_ARTIFACTS", ".artifacts")).absolute()


class ReviewProcess:
    """The server; `address` is the page's, with its token."""

    def __init__(self, folder: Path, *options: str, reviewer: str = "ann") -> None:
        command = [sys.executable, "-m", "curate", "review", str(folder), *options]
        self.process = subprocess.Popen(
            [*command, "--reviewer", reviewer, "--no-browser"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        url_match = re.search(r"http://127\.0\.0\.1:(\d+)/\?token=(\S+)", line)
        assert url_match, line + (self.process.communicate()[1] if not line else "")
        self.address, self.port, self.token = url_match.group(), int(url_match[1]), url_match[2]

    def stop(self) -> str:
        """Ctrl+C; what is printed then."""
        self.process.send_signal(signal.SIGINT)
        output: str = self.process.communicate(timeout=20)[0]
        return output

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


def until(page: Any, condition: str) -> None:
    """Wait for a condition; the pages' policy forbids the browser's own way (eval)."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"never true: {condition}")


def photograph(page: Any, name: str, full_page: bool = False) -> None:
    """A screenshot kept beside the tests' results."""
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=str(ARTIFACTS / f"{name}.png"), full_page=full_page)
