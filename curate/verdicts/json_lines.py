"""Our own form: pairs and verdicts as JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import polars as pl

from curate.data.json_types import JsonObject
from curate.verdicts.tool import (
    QUESTION,
    UNDONE,
    AnnotationTool,
    ReviewVerdict,
    have_all_fields,
    is_first,
    task_hashes,
    task_rows,
    to_review_verdict,
)

_FIELDS = ("pair_id", "order", "answers", "prompt", "answer_a", "answer_b")


class PairTool(AnnotationTool):
    """Our own: pairs.jsonl to look at, verdicts as JSON lines of pair_id, reviewer, verdict."""

    name = "pairs"

    def files(self, pairs: pl.DataFrame, first_is_chosen: pl.Series) -> JsonObject:
        """Return one JSON line per pair, with fields for a verdict and its reviewer."""
        empty = {QUESTION: None, "reviewer": None}
        lines = [
            orjson.dumps({name: row[name] for name in _FIELDS} | empty).decode()
            for row in task_rows(pairs, first_is_chosen)
        ]
        return {"pairs.jsonl": "".join(f"{line}\n" for line in lines)}

    def matches(self, exported: Any) -> bool:
        """Return whether these are objects with a pair_id and a verdict."""
        return have_all_fields(exported, "pair_id", QUESTION)

    def verdicts(self, exported: Any) -> Iterator[ReviewVerdict]:
        """Yield the verdicts; A and B depend on the order beside them; null means not reviewed."""
        for row in exported:
            if row[QUESTION] is None:
                continue
            verdict, blind = str(row[QUESTION]), row.get("blind")
            hashes = _text_or_none(row.get("chosen_hash")), _text_or_none(row.get("rejected_hash"))
            if "order" in row:
                first = is_first(row["order"])
                # Tasks with an order were shown as A and B, without the label.
                hashes, blind = task_hashes(row.get("answers"), first), True
                if verdict in ("A", "B"):
                    verdict = to_review_verdict(verdict, first) or "skip"
            yield ReviewVerdict(
                str(row["pair_id"]),
                str(row.get("reviewer") or "reviewer"),
                UNDONE if row.get("undone") else verdict,
                *hashes,
                blind if isinstance(blind, bool) else None,
            )


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None
