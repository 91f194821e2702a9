"""The session of `curate review`: which pairs it shows, and what comes after it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from curate.cli.console import out

if TYPE_CHECKING:
    from curate.people.server import ReviewPage


@dataclass(frozen=True)
class Session:
    """A review with the commands that come after it.

    Attributes:
        review: what is served.
        commands: to copy, in their order.
        size: pairs of the draw; None in an open review.
        resume: the command by which judging goes on.
    """

    review: ReviewPage
    commands: Sequence[str]
    size: int | None = None
    resume: str = ""


def open_session(folder: Path, sample: Path | None, reviewer: str) -> Session:
    """A blind review of a draw, by itself or of a run; else an open review of a run.

    Raises:
        CurateError: neither a draw nor a run, or a name that no file can have.
    """
    from curate.people.blind_review import BlindReview
    from curate.people.draw import resume_command
    from curate.people.drawn_tasks import is_draw, load_draw
    from curate.people.server import Review
    from curate.people.verdict_log import VerdictLog
    from curate.report.run_view import load_view

    if sample is None and not is_draw(folder):
        run, new = (shlex.quote(str(path)) for path in (folder, f"{folder}-reviewed"))
        apply = (f"curate apply {run} --output {new}",)
        return Session(Review(load_view(folder), VerdictLog(folder, reviewer), apply), apply)
    draw = load_draw(sample or folder, None if sample is None else folder)
    log = VerdictLog(folder, reviewer, blind=True)
    steps = draw.next_commands(None if sample is None else log.path)
    resume = resume_command([log.path], draw.folder)
    return Session(BlindReview(draw, log, steps), steps, len(draw.pairs), resume)


def show_end(session: Session) -> None:
    """How much was judged, where the verdicts are, and what to do with them."""
    log = session.review.log
    count = f"{session.review.done:,}"
    judged = f"{count} pairs" if session.size is None else f"{count} of {session.size:,} pairs"
    out.print(Text(f"judged: {judged}; verdicts: {log.path}"), soft_wrap=True)
    is_open = session.size is not None and session.review.done < session.size
    out.print(Text("next:", style="bold"))
    for command in ((session.resume,) if is_open else ()) + tuple(session.commands):
        out.print(Text(f"  {command}"), soft_wrap=True)
