"""A review in which nobody sees the label: drawn pairs, in the order of their draw.

Whatever could reveal the label to a reviewer stays on the server: which answer is the chosen one,
scores, fate, annotator, source, names of media files. Answers stand in an order that depends on the
reviewer and the answers' texts only. The label is shown after the verdicts are final.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from curate.data.attachments import REJECTED_MEDIA
from curate.data.json_types import JsonObject
from curate.data.table import messages_text
from curate.errors import CurateError
from curate.people.drawn_tasks import DrawnPairs
from curate.people.review_request import ReviewRequest, Work
from curate.people.running_rate import RateMonitor, RunningRate
from curate.people.verdict_log import VerdictLog
from curate.report.blocks import row_blocks, split_blocks
from curate.report.thumbnails import make_thumbnail
from curate.verdicts.answers import answer_hashes

_CHOICES = {"tie": "tie", "drop": "drop", "skip": "skip"}
# A browser stalls on texts of megabytes.
_LONGEST = 100_000
"""Characters of a text that are shown; further ones are counted."""
_EXCERPT = 160


class BlindReview:
    """State of a blind review.

    Args:
        draw: the pairs, in the order of the draw.
        log: where verdicts go.
        next_commands: what to do once the pairs are reviewed.
        until_width: no further pair is shown once the interval is at most this wide, in
            percentage points; None: all pairs are shown.
        on_rate: called with each new interval.
    """

    page = "blind.html"

    def __init__(
        self,
        draw: DrawnPairs,
        log: VerdictLog,
        next_commands: Sequence[str] = (),
        until_width: float | None = None,
        on_rate: Callable[[RunningRate], object] = lambda _: None,
    ) -> None:
        self.log = log
        self._monitor, self._until_width, self._on_rate = RateMonitor(draw), until_width, on_rate
        self._next_commands = list(next_commands)
        self._frame, self._folders = draw.pairs, draw.source.folders
        self._ids: list[str] = self._frame["pair_id"].to_list()
        self._place = {pair_id: at for at, pair_id in enumerate(self._ids)}
        hashes = answer_hashes(self._frame)
        self._hashes = [(chosen, rejected) for chosen, rejected in hashes.iter_rows()]
        self.actions: dict[str, Work] = {
            "state": lambda request: self.state(request.at),
            "verdict": self._judge,
            "undo": lambda _: self.undo(),
            "compare": lambda _: self.compare(),
        }

    @property
    def done(self) -> int:
        """Drawn pairs that have a verdict."""
        return sum(pair_id in self._place for pair_id in self.log.verdicts)

    def rate(self) -> RunningRate | None:
        """Return the share of wrong labels by the verdicts so far; None while they are few."""
        return self._monitor.rate([self._wrong(at) for at in range(self._first_open())])

    def _wrong(self, at: int) -> float | None:
        """Return 1 where the verdict contradicts the label, a half for a tie, None for neither."""
        choice = self._choice(at)
        if choice in ("A", "B"):
            return float((choice == "A") != self._is_first_chosen(at))
        return 0.5 if choice == "tie" else None

    def state(self, at: int | None = None) -> JsonObject:
        """Return progress and the pair at a position, at most the first one without a verdict.

        Args:
            at: position in the draw; None: the first pair without a verdict.
        """
        first = self._first_open()
        # In the order of the draw only: the first n verdicts are then a random sample.
        position = first if at is None else max(min(at, first), 0)
        rate = self.rate()
        is_narrow = rate is not None and rate.is_within(self._until_width)
        # Pairs that are judged already can still be looked at, and their verdicts changed.
        has_pair = position < len(self._ids) and not (is_narrow and position == first)
        return {
            "reviewer": self.log.reviewer,
            "total": len(self._ids),
            "done": self.done,
            "final": sum(pair_id in self._place for pair_id in self.log.final),
            "pair": self._pair(position) if has_pair else None,
            "rate": None if rate is None else rate.text,
            "narrow": is_narrow,
            "next": self._next_commands,
        }

    def judge(self, pair_id: str, choice: str, note: str, before: str | None) -> JsonObject:
        """Keep a verdict, then show the first pair without one.

        Args:
            pair_id: of the pair.
            choice: A, B, tie, drop (both bad) or skip.
            note: a comment.
            before: the choice that the page shows for the pair, "" for none; None: not known.

        Raises:
            CurateError: an unknown pair or choice, a pair beyond the first without a verdict, or
                one that was reviewed in another window meanwhile.
        """
        at = self._place.get(pair_id)
        # A request may name any pair: those ahead in the draw stay closed.
        if at is None or at > self._first_open():
            raise CurateError("the pair cannot be reviewed yet", found=repr(pair_id[:80]))
        verdict = _CHOICES.get(choice)
        if choice in ("A", "B"):
            verdict = "keep" if (choice == "A") == self._is_first_chosen(at) else "flip"
        if verdict is None:
            expected = "A, B, tie, drop or skip"
            raise CurateError("unknown choice", found=repr(choice[:80]), expected=expected)
        self.log.check_before(before, self._choice(at))
        before_rate = self.rate()
        self.log.add(pair_id, verdict, note, self._hashes[at])
        rate = self.rate()
        if rate is not None and rate != before_rate:
            self._on_rate(rate)
        return self.state()

    def _judge(self, request: ReviewRequest) -> JsonObject:
        return self.judge(request.pair_id, request.verdict, request.note, request.before)

    def undo(self) -> JsonObject:
        """Take the last verdict back and show its pair."""
        pair_id = self.log.undo(self._place)
        return self.state(self._place.get(pair_id) if pair_id else None)

    def compare(self) -> JsonObject:
        """Make the verdicts final, then show each beside the label.

        Raises:
            CurateError: nothing is reviewed yet.
        """
        # Labels are shown only to who has judged, and what was judged is final then.
        if not self.done:
            raise CurateError("no pair was reviewed yet", found=f"0 of {len(self._ids)} pairs")
        self.log.finish(self._place)
        rows = [self._compared(at) for at, i in enumerate(self._ids) if i in self.log.final]
        return self.state(len(self._ids)) | {"compared": rows, "pair": None}

    def _first_open(self) -> int:
        """Return the position of the first pair without a verdict, else the number of pairs."""
        verdicts = self.log.verdicts
        open_places = (at for at, pair_id in enumerate(self._ids) if pair_id not in verdicts)
        return next(open_places, len(self._ids))

    def _is_first_chosen(self, at: int) -> bool:
        """Return whether A is the answer that the label prefers."""
        chosen, rejected = (self._rank(at, answer) for answer in self._hashes[at])
        return chosen <= rejected

    def _rank(self, at: int, answer: str) -> bytes:
        # By the answer and not by its label: the order is the same after the label was flipped.
        text = f"{self.log.reviewer}\n{self._ids[at]}\n{answer}"
        return blake2b(text.encode(), digest_size=8).digest()

    def _choice(self, at: int) -> str:
        """Return the reviewer's choice as the page names it; "" for none."""
        verdict = self.log.verdicts.get(self._ids[at], "")
        if verdict not in ("keep", "flip"):
            return verdict
        hashes = self.log.hashes.get(self._ids[at], self._hashes[at])
        preferred = hashes[0] if verdict == "keep" else hashes[1]
        is_chosen = preferred == self._hashes[at][0]
        return "A" if is_chosen == self._is_first_chosen(at) else "B"

    def _pair(self, at: int) -> JsonObject:
        row = self._frame[at]
        texts = row.select(messages_text(c).alias(c) for c in ("prompt", "chosen", "rejected"))
        (text,), (columns,) = texts.to_dicts(), row.to_dicts()
        first = self._is_first_chosen(at)
        sides = ("chosen", "rejected") if first else ("rejected", "chosen")
        is_final = self._ids[at] in self.log.final
        # Media are shown with their side; their names may tell which answer is the chosen one.
        shared = {name: None for both in REJECTED_MEDIA.items() for name in both}
        return {
            "id": self._ids[at],
            "at": at,
            "prompt": _text_html(text["prompt"]),
            "more": row_blocks(columns | shared, self._folders) + self._media(columns, "prompt"),
            "a": _text_html(text[sides[0]]) + self._media(columns, sides[0]),
            "b": _text_html(text[sides[1]]) + self._media(columns, sides[1]),
            "choice": self._choice(at),
            "final": is_final,
            "label": ("A" if first else "B") if is_final else None,
        }

    def _media(self, columns: Mapping[str, Any], side: str) -> Markup:
        """Return the media of one side without file names, which could reveal the label."""
        media: list[Mapping[str, Any]] = []
        for shared, other in REJECTED_MEDIA.items():
            apart = columns.get(other) is not None
            name = other if side == "rejected" else shared
            if apart != (side == "prompt"):
                media += columns.get(name) or []
        images = [
            _medium_html(number, medium, self._folders) for number, medium in enumerate(media, 1)
        ]
        if not images:
            return Markup("")
        return Markup('<div class="media">{}</div>').format(Markup("").join(images))

    def _compared(self, at: int) -> JsonObject:
        choice, label = self._choice(at), "A" if self._is_first_chosen(at) else "B"
        prompt = self._frame[at].select(t=messages_text("prompt")).item()
        return {
            "at": at,
            "prompt": " ".join(prompt.split())[:_EXCERPT],
            "choice": choice,
            "label": label,
            "agrees": choice == label if choice in ("A", "B") else None,
        }


def _text_html(text: str) -> Markup:
    """Return a text as HTML, with traces and tool calls collapsed."""
    if not text.strip():
        return Markup('<span class="cut">(empty)</span>')
    blocks, plain = split_blocks(text)
    more = len(plain) - _LONGEST
    note = Markup('<span class="cut">… {:,} more characters</span>').format(more)
    return blocks + escape(plain[:_LONGEST]) + (note if more > 0 else Markup(""))


def _medium_html(number: int, medium: Mapping[str, Any], folders: Sequence[Path]) -> Markup:
    url = make_thumbnail(medium, folders).url
    if url is None:
        return Markup('<span class="medium">medium {} cannot be shown here</span>').format(number)
    return Markup('<img class="medium" src="{}" alt="image {}">').format(url, number)
