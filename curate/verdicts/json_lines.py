"""Our own form: pairs and verdicts as JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import polars as pl

from curate.verdicts.tool import (
    QUESTION,
    UNDONE,
    Tool,
    Verdict,
    all_have,
    hashes_of,
    is_first,
    task_rows,
    verdict_of,
)

_FIELDS = ("pair_id", "order", "answers", "prompt", "answer_a", "answer_b")


class PairTool(Tool):
    """Our own: pairs.jsonl to look at, verdicts as JSON lines of pair_id, reviewer, verdict."""

    name = "pairs"

    def files(self, pairs: pl.DataFrame, first_is_chosen: pl.Series) -> dict[str, Any]:
        """One JSON line a pair, with room for a verdict and its reviewer."""
        empty = {QUESTION: None, "reviewer": None}
        lines = [
            orjson.dumps({name: row[name] for name in _FIELDS} | empty).decode()
            for row in task_rows(pairs, first_is_chosen)
        ]
        return {"pairs.jsonl": "".join(f"{line}\n" for line in lines)}

    def matches(self, exported: Any) -> bool:
        """Objects with a pair_id and a verdict."""
        return all_have(exported, "pair_id", QUESTION)

    def verdicts(self, exported: Any) -> Iterator[Verdict]:
        """Verdicts as written; A and B by the order beside them; null: not judged yet."""
        for row in exported:
            if row[QUESTION] is None:
                continue
            verdict, blind = str(row[QUESTION]), row.get("blind")
            hashes = _text(row.get("chosen_hash")), _text(row.get("rejected_hash"))
            if "order" in row:
                first = is_first(row["order"])
                hashes, blind = hashes_of(row.get("answers"), first), True
                if verdict in ("A", "B"):
                    verdict = verdict_of(verdict, first) or "skip"
            yield Verdict(
                str(row["pair_id"]),
                str(row.get("reviewer") or "reviewer"),
                UNDONE if row.get("undone") else verdict,
                *hashes,
                blind if isinstance(blind, bool) else None,
            )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
