"""Our own form: pairs and verdicts as JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import polars as pl

from curate.verdicts.tool import (
    QUESTION,
    Tool,
    Verdict,
    all_have,
    is_first,
    order,
    shown,
    verdict_of,
)


class PairTool(Tool):
    """Our own: pairs.jsonl to look at, verdicts as JSON lines of pair_id, reviewer, verdict."""

    name = "pairs"

    def files(self, pairs: pl.DataFrame, first_is_chosen: pl.Series) -> dict[str, Any]:
        """One JSON line a pair, with the order in which its answers stand."""
        lines = [
            orjson.dumps(
                {
                    "pair_id": row["pair_id"],
                    "order": order(row["first"]),
                    "prompt": row["prompt"],
                    "answer_a": row["answer_a"],
                    "answer_b": row["answer_b"],
                    QUESTION: None,
                    "reviewer": None,
                }
            ).decode()
            for row in shown(pairs, first_is_chosen)
        ]
        return {"pairs.jsonl": "".join(f"{line}\n" for line in lines)}

    def matches(self, exported: Any) -> bool:
        """Objects with a pair_id and a verdict."""
        return all_have(exported, "pair_id", QUESTION)

    def verdicts(self, exported: Any) -> Iterator[Verdict]:
        """Verdicts as they stand; A and B by the order that stands beside them."""
        for row in exported:
            said = str(row[QUESTION]) if row[QUESTION] is not None else "skip"
            if said in ("A", "B") and "order" in row:
                said = verdict_of(said, is_first(row["order"])) or "skip"
            yield str(row["pair_id"]), str(row.get("reviewer") or "reviewer"), said
