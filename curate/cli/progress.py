"""Progress of long work: bars on a terminal, elsewhere a line after four seconds and every ten."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from curate.cli.console import err
from curate.steps.context import Progress as AnyProgress

EVERY = 10.0
"""Seconds between two lines where there is no terminal."""
FIRST = 4.0
"""Seconds after which work is told for the first time: its rate is known by then."""


class _Rate(TextColumn):
    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        if task.total is None or not task.speed:
            return Text("")
        return Text(f"{task.speed:,.0f}/s", style="dim")


class _RichTask:
    def __init__(self, progress: Progress, number: Any) -> None:
        self._progress, self._number = progress, number

    def advance(self, steps: int = 1) -> None:
        """Move the bar."""
        self._progress.advance(self._number, steps)


class BarProgress:
    """Bars with rate and time left on standard error."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    @contextmanager
    def task(self, name: str, total: int | None) -> Iterator[_RichTask]:
        """A bar of its own; it goes when the task ends."""
        number = self._progress.add_task(name, total=total)
        try:
            yield _RichTask(self._progress, number)
        finally:
            self._progress.remove_task(number)


class _LineTask:
    """Work whose state is told now and then."""

    def __init__(self, name: str, total: int | None) -> None:
        self._name, self._total, self._done = name, total, 0
        self._started = time.monotonic()
        self.told = False

    def is_news(self) -> bool:
        """Whether it has gone on for a while and nobody was told."""
        return not self.told and time.monotonic() - self._started >= FIRST

    def advance(self, steps: int = 1) -> None:
        """Count."""
        self._done += steps

    def line(self) -> str:
        """How far it is, how fast, and the time that is left."""
        seconds = time.monotonic() - self._started
        if not self._total:
            done = f", {self._done:,} done" if self._done else ""
            return f"{self._name}: {seconds:,.0f} s{done}"
        rate = self._done / seconds if seconds > 0 else 0.0
        left = f", {(self._total - self._done) / rate:,.0f} s left" if rate > 0 else ""
        share = self._done / self._total
        return f"{self._name}: {self._done:,} of {self._total:,} ({share:.0%}), {rate:,.3g}/s{left}"


class LineProgress:
    """Lines every `every` seconds on the whole and on the innermost work that is going on."""

    def __init__(self, every: float = EVERY) -> None:
        self._every, self._tasks, self._stop = every, list[_LineTask](), Event()

    @contextmanager
    def task(self, name: str, total: int | None) -> Iterator[_LineTask]:
        """Work that lines tell of until it ends."""
        task = _LineTask(name, total)
        self._tasks.append(task)
        try:
            yield task
        finally:
            self._tasks.remove(task)

    @contextmanager
    def running(self) -> Iterator[LineProgress]:
        """Tell lines for as long as this is open."""
        teller = Thread(target=self._tell, daemon=True)
        teller.start()
        try:
            yield self
        finally:
            self._stop.set()
            teller.join()

    def _tell(self) -> None:
        last = time.monotonic()
        while not self._stop.wait(min(self._every, 1.0)):
            going = list(self._tasks)
            due = time.monotonic() - last >= self._every
            if not due and not any(task.is_news() for task in going[-1:]):
                continue
            last = time.monotonic()
            for task in dict.fromkeys((*going[:1], *going[-1:])):
                task.told = True
                err.print(Text(task.line()), soft_wrap=True)


@contextmanager
def console_progress() -> Iterator[AnyProgress]:
    """Progress on standard error for the length of a command."""
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
    with Progress(*columns, console=err, transient=True) as progress:
        yield BarProgress(progress)
