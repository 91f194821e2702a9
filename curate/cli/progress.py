"""Progress of long tasks: bars on a terminal, otherwise a line after 4 s and every 10 s."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from curate.cli.console import err
from curate.steps.context import Progress as AnyProgress

SECONDS_BETWEEN_LINES = 10.0
"""Seconds between two lines if there is no terminal."""
SECONDS_BEFORE_FIRST_LINE = 4.0
"""Seconds before a task is first reported: its rate is stable by then."""


class _Rate(TextColumn):
    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        if task.total is None or not task.speed:
            return Text("")
        return Text(f"{task.speed:,.0f}/s", style="dim")


class _RichTask:
    def __init__(self, progress: Progress, number: TaskID) -> None:
        self._progress, self._number = progress, number

    def advance(self, steps: int = 1) -> None:
        """Move the bar."""
        self._progress.advance(self._number, steps)


class BarProgress:
    """Progress bars with rate and remaining time, on standard error."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    @contextmanager
    def task(self, name: str, total: int | None) -> Iterator[_RichTask]:
        """Show a bar until the task ends."""
        number = self._progress.add_task(name, total=total)
        try:
            yield _RichTask(self._progress, number)
        finally:
            self._progress.remove_task(number)


class _LineTask:
    """Task that is reported in lines of text."""

    def __init__(self, name: str, total: int | None) -> None:
        self._name, self._total, self._done = name, total, 0
        self._started = time.monotonic()
        self.reported = False

    def is_news(self) -> bool:
        """Return whether the task runs for a while and was not reported yet."""
        return not self.reported and time.monotonic() - self._started >= SECONDS_BEFORE_FIRST_LINE

    def advance(self, steps: int = 1) -> None:
        """Count finished steps."""
        self._done += steps

    def line(self) -> str:
        """Return a line with progress, rate and remaining time."""
        seconds = time.monotonic() - self._started
        if not self._total:
            done = f", {self._done:,} done" if self._done else ""
            return f"{self._name}: {seconds:,.0f} s{done}"
        rate = self._done / seconds if seconds > 0 else 0.0
        remaining = f", {(self._total - self._done) / rate:,.0f} s left" if rate > 0 else ""
        count = f"{self._done:,} of {self._total:,} ({self._done / self._total:.0%})"
        return f"{self._name}: {count}, {rate:,.3g}/s{remaining}"


class LineProgress:
    """Progress as lines, every `every` seconds, for the outermost and the innermost task."""

    def __init__(self, every: float = SECONDS_BETWEEN_LINES) -> None:
        self._every, self._tasks, self._stop = every, list[_LineTask](), Event()

    @contextmanager
    def task(self, name: str, total: int | None) -> Iterator[_LineTask]:
        """Report a task until it ends."""
        task = _LineTask(name, total)
        self._tasks.append(task)
        try:
            yield task
        finally:
            self._tasks.remove(task)

    @contextmanager
    def running(self) -> Iterator[LineProgress]:
        """Print lines while this context is open."""
        # A thread: a step may compute for minutes between two calls of `advance`.
        printer = Thread(target=self._tell, daemon=True)
        printer.start()
        try:
            yield self
        finally:
            self._stop.set()
            printer.join()

    def _tell(self) -> None:
        last = time.monotonic()
        while not self._stop.wait(min(self._every, 1.0)):
            # A copy: the command's thread adds and removes tasks meanwhile.
            running_tasks = list(self._tasks)
            due = time.monotonic() - last >= self._every
            if not due and not any(task.is_news() for task in running_tasks[-1:]):
                continue
            last = time.monotonic()
            # The first and the last may be the same task, which is printed once.
            for task in dict.fromkeys((*running_tasks[:1], *running_tasks[-1:])):
                task.reported = True
                err.print(Text(task.line()), soft_wrap=True)


@contextmanager
def console_progress() -> Iterator[AnyProgress]:
    """Show progress on standard error during a command."""
    # Bars in a log file would be thousands of lines.
    if not err.is_terminal:
        with LineProgress().running() as lines:
            yield lines
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    # On standard error, so that --json on standard output stays JSON.
    with Progress(*columns, console=err, transient=True) as progress:
        yield BarProgress(progress)
