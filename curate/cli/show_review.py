"""Session of `curate review`: the pairs to show, and the next commands."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from curate.cli.console import out

if TYPE_CHECKING:
    from curate.people.server import ReviewPage


@dataclass(frozen=True)
class Session:
    """A review with the next commands.

    Attributes:
        review: the page to serve.
        commands: the next commands, in order.
        size: number of pairs in the sample; None in an open review.
        resume: the command that resumes the review.
    """

    review: ReviewPage
    commands: Sequence[str]
    size: int | None = None
    resume: str = ""


def open_session(
    folder: Path, sample: Path | None, reviewer: str, until_width: float | None = None
) -> Session:
    """Open a blind review of a sample, or an open review of a run.

    Raises:
        CurateError: neither a sample nor a run, an invalid reviewer name, or a width to reach
            where no interval is computed.
    """
    from curate.auditing.confidence_sequence import DrawDesign
    from curate.errors import CurateError
    from curate.people.blind_review import BlindReview
    from curate.people.drawn_tasks import is_draw, load_draw
    from curate.people.sampling import resume_command
    from curate.people.server import ReviewSession
    from curate.people.verdict_log import VerdictLog
    from curate.report.run_view import load_view

    # A run as a whole is reviewed openly; a drawn sample is blind, or it would estimate nothing.
    is_open = sample is None and not is_draw(folder)
    draw = None if is_open else load_draw(sample or folder, None if sample is None else folder)
    if until_width is not None and (draw is None or DrawDesign.from_sample(draw.sample) is None):
        raise CurateError(
            "no interval is computed in this review",
            where="--until-width",
            found="a run" if draw is None else "a sample drawn in strata",
            expected="a sample of 'curate route' with --random or --active",
        )
    if draw is None:
        run, new = (shlex.quote(str(path)) for path in (folder, f"{folder}-reviewed"))
        apply = (f"curate apply {run} --output {new}",)
        return Session(ReviewSession(load_view(folder), VerdictLog(folder, reviewer), apply), apply)
    log = VerdictLog(folder, reviewer, blind=True)
    steps = draw.next_commands(None if sample is None else log.path)
    resume = resume_command([log.path], draw.folder)
    review = BlindReview(draw, log, steps, until_width, lambda rate: typer.echo(rate.text))
    return Session(review, steps, len(draw.pairs), resume)


def show_end(session: Session) -> None:
    """Print the number of reviewed pairs, the verdict file and the next commands."""
    log = session.review.log
    count = f"{session.review.done:,}"
    reviewed = f"{count} pairs" if session.size is None else f"{count} of {session.size:,} pairs"
    out.print(Text(f"reviewed: {reviewed}; verdicts: {log.path}"), soft_wrap=True)
    is_open = session.size is not None and session.review.done < session.size
    out.print(Text("next:", style="bold"))
    # Going on comes first: an estimate from part of a sample is wider.
    for command in ((session.resume,) if is_open else ()) + tuple(session.commands):
        out.print(Text(f"  {command}"), soft_wrap=True)
