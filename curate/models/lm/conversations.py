"""The distinct conversations of a pair table, and values of them looked up or computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import polars as pl

from curate.data.attachments import DOCUMENTS, TEXT_ATTACHMENTS
from curate.data.table import dense_ranks, has_single_answers, text_keys
from curate.models.lm.tokens import EncodedConversation, Messages, Prompt
from curate.store.rows import row_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.steps.step_report import StepReport
    from curate.store.store import Store

Computed = Iterable[tuple[Sequence[int], "NDArray[np.float64]"]]
"""Row numbers, and one row of values for each of them."""


@dataclass(frozen=True)
class Conversations:
    """Each distinct (prompt, answer) once.

    Attributes:
        prompts: of each conversation: messages, tools and the template's arguments.
        answers: messages of its answer.
        keys: (conversations,) a text of prompt and answer that no other conversation has.
        chosen: (pairs,) the conversation of each pair's preferred answer.
        rejected: (pairs,) that of the other answer.
    """

    prompts: list[Prompt]
    answers: list[Messages]
    keys: list[tuple[str, str]]
    chosen: NDArray[np.int64]
    rejected: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.keys)


def distinct_conversations(pairs: pl.DataFrame) -> Conversations:
    """Return the distinct conversations of a pair table, in the order of their keys."""
    keys = text_keys(pairs)
    sides = [
        keys.select(
            pl.col("prompt").alias("p"),
            pl.col(side).alias("a"),
            pairs["prompt"],
            *_prompt_columns(pairs),
            answer=pairs[side],
        )
        # Without rejected answers the chosen ones stand for them: nothing is computed twice.
        for side in (("chosen",) if has_single_answers(pairs) else ("chosen", "rejected"))
    ]
    both = pl.concat(sides).with_columns(pair=pl.struct("p", "a"))
    numbers = dense_ranks(both["pair"])
    first = both.with_columns(n=pl.Series(numbers)).unique("n", keep="first").sort("n")
    return Conversations(
        [
            _prompt_from_row(row)
            for row in first.select("prompt", *TEXT_ATTACHMENTS).iter_rows(named=True)
        ],
        first["answer"].to_list(),
        list(zip(first["p"].to_list(), first["a"].to_list(), strict=True)),
        numbers[: len(pairs)],
        numbers[len(numbers) - len(pairs) :],
    )


def _prompt_columns(pairs: pl.DataFrame) -> list[pl.Series]:
    """Return tools, arguments and documents of the pairs; null where the frame has no such
    column."""
    nothing = pl.Series([None] * len(pairs), dtype=pl.String)
    return [pairs.get_column(c, default=nothing).alias(c) for c in TEXT_ATTACHMENTS]


def _prompt_from_row(row: dict[str, Any]) -> Prompt:
    tools, arguments, documents = (
        orjson.loads(row[c]) if row[c] else None for c in TEXT_ATTACHMENTS
    )
    template_arguments = {**(arguments or {}), **({DOCUMENTS: documents} if documents else {})}
    return Prompt(row["prompt"], tools, template_arguments)


def lookup_or_compute(
    store: Store | None,
    namespace: tuple[str, ...],
    keys: Sequence[tuple[str, ...]],
    width: int,
    compute: Callable[[list[int]], Computed],
) -> NDArray[np.float64]:
    """Return values (keys, width): from the store where they are there, else computed and kept.

    Args:
        store: None computes all.
        namespace: what the values depend on besides the keys: kind, model, settings.
        keys: of each row.
        width: numbers in a row.
        compute: gives the values of the rows that it is asked for, batch by batch.
    """
    out = np.full((len(keys), width), np.nan)
    if store is None:
        for rows, values in compute(list(range(len(keys)))):
            out[list(rows)] = values
        return out
    rows_of = store.rows(namespace[0])
    # Keys are hashes of the texts: equal conversations of other datasets are found too.
    hashes = [row_key(*namespace, *key) for key in keys]
    stored = rows_of.get(hashes)
    missing = []
    for row, name in enumerate(hashes):
        if name in stored:
            out[row] = np.frombuffer(stored[name], dtype=np.float64)
        else:
            missing.append(row)
    if missing:
        for rows, values in compute(missing):
            out[list(rows)] = values
            # Batch by batch: a run that is stopped goes on where it was.
            rows_of.put([hashes[r] for r in rows], [v.tobytes() for v in out[list(rows)]])
    return out


def truncation_counts(
    prompts: NDArray[np.floating], answers: NDArray[np.floating]
) -> dict[str, int]:
    """Return counts of conversations that a model saw truncated, from the tokens cut off each."""
    return {
        "conversations": len(prompts),
        "prompts_truncated": int((prompts > 0).sum()),
        "answers_truncated": int((answers > 0).sum()),
    }


def record_truncation(
    report: StepReport, name: str, encoded: Sequence[EncodedConversation]
) -> None:
    """Add to a step's facts how many conversations a model saw in part."""
    cut = np.array([(e.prompt_cut, e.answer_cut) for e in encoded], dtype=np.float64).reshape(-1, 2)
    add_model_counts(report, name, truncation_counts(cut[:, 0], cut[:, 1]))


def add_model_counts(report: StepReport, name: str, counts: dict[str, int]) -> None:
    """Add counts to a step's facts about a model."""
    total = report.counts("models", name)
    for key, value in counts.items():
        total[key] = total.get(key, 0) + value
