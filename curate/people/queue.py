"""Which pairs are reviewed, and in which order."""

from __future__ import annotations

from itertools import chain

import numpy as np
import polars as pl
from numpy.typing import NDArray

from curate.data.json_types import JsonObject
from curate.data.table import messages_text
from curate.errors import CurateError, suggestion
from curate.report.pair_details import pairs_with_diff
from curate.report.run_view import RunView
from curate.verdicts.answers import answer_hashes

FATES = ("all", "kept", "dropped")


class ReviewQueue:
    """The pairs of a run in the order of a score, some left out.

    Attributes:
        rows: positions in the run's frame, in order, (pairs,).
        place: position in `rows` of each pair's id.
    """

    def __init__(self, view: RunView) -> None:
        self._view = view
        self._ids: list[str] = view.frame["pair_id"].to_list()
        self.arrange(view.suspicion[0] if view.suspicion else "", None, "all", "")

    def arrange(self, sort: str, descending: bool | None, fate: str, search: str) -> None:
        """Sort and filter.

        Args:
            sort: a score column, or "" for the order of the data.
            descending: largest first; None: the doubtful end of the score first.
            fate: "all", "kept" or "dropped".
            search: text that the prompt or an answer holds, case ignored; "" for any.

        Raises:
            CurateError: no such score or fate.
        """
        frame = self._view.frame
        if sort and sort not in self._view.numeric:
            fix = suggestion(sort, self._view.numeric)
            raise CurateError("no such score", where="sort", found=repr(sort), fix=fix)
        if fate not in FATES:
            raise CurateError("no such fate", found=repr(fate), expected=", ".join(FATES))
        rows = np.arange(len(frame))
        if sort:
            doubt = self._view.suspicion
            if descending is None:
                descending = doubt[1] if doubt is not None and doubt[0] == sort else True
            rows = _sort_rows(frame, sort, descending)
        keep = np.ones(len(frame), dtype=bool)
        if fate != "all":
            keep &= self._view.kept_mask == (fate == "kept")
        if search:
            keep &= _search_mask(frame, search)
        self.rows = rows[keep[rows]]
        self.sort, self.descending, self.fate, self.search = sort, bool(descending), fate, search
        self.place = {self._ids[row]: at for at, row in enumerate(self.rows.tolist())}

    def __len__(self) -> int:
        return len(self.rows)

    def id_at(self, at: int) -> str:
        """Return the pair at a position of the queue."""
        return self._ids[int(self.rows[at])]

    def hashes(self, at: int) -> tuple[str, str]:
        """Return hashes of the chosen and the rejected answer of the pair at a position."""
        chosen, rejected = answer_hashes(self._view.frame[int(self.rows[at])]).row(0)
        return chosen, rejected

    def next_open(self, start: int, verdicts: dict[str, str]) -> int | None:
        """Return the first position from `start` on whose pair has no verdict, then from the
        beginning.
        """
        places = chain(range(start, len(self)), range(min(start, len(self))))
        return next((at for at in places if self.id_at(at) not in verdicts), None)

    def pair(self, at: int) -> JsonObject:
        """Return the page's data of the pair at a position, with a word diff as HTML."""
        one = self._view.frame[int(self.rows[at])]
        (details,) = pairs_with_diff(one, self._view)
        return {
            **details.to_json(),
            "at": at,
            "chosen_text": one.select(messages_text("chosen")).item(),
            "tie": one["is_tie"][0],
            "scores": {name: round(float(v), 4) for name, v in details.scores.items()},
        }


def _sort_rows(frame: pl.DataFrame, column: str, descending: bool) -> NDArray[np.int64]:
    """Return the row numbers in the order of the column, nulls last."""
    # NaN would be sorted as the largest number; it is as unknown as null.
    order = frame.select(pl.col(column).cast(pl.Float64).fill_nan(None)).with_row_index("i")
    order = order.sort(column, descending=descending, nulls_last=True, maintain_order=True)
    return order["i"].to_numpy().astype(np.int64)


def _search_mask(frame: pl.DataFrame, text: str) -> NDArray[np.bool_]:
    """Return which pairs hold the text in the prompt or an answer, case ignored."""
    matches = frame.select(
        pl.any_horizontal(
            messages_text(part).str.to_lowercase().str.contains(text.lower(), literal=True)
            for part in ("prompt", "chosen", "rejected")
        )
    )
    return matches.to_series().to_numpy()
