"""A pool of prompts with several answers each, and the pairs that a reward makes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from curate.data.json_text import parsed_json
from curate.data.table import PAIR_COLUMNS, PairIds, messages_series
from curate.read.embedded_json import parse_embedded_messages
from curate.read.formats.listwise import ANSWERS, PROMPTS
from curate.read.messages import Turn, as_messages
from curate.read.pairs import sample_rows
from curate.read.raw_rows import prepend_system_message

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.read.input import InputConfig
    from curate.read.raw_rows import PublishedRows

MADE = "round"
"""What `extra.made` says of a pair that was made here."""
# A best and a worst answer.
_ENDS = 2
Writer = Callable[[Sequence[list[Turn]]], list[list[str]]]
"""From prompts to answers of each."""


@dataclass
class Pool:
    """Prompts and their answers.

    Attributes:
        prompts: messages of each.
        answers: texts of each prompt, at least two of them different.
        left_out: rows that gave no prompt with two answers, by reason.
    """

    prompts: list[list[Turn]] = field(default_factory=list)
    answers: list[list[str]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def owner(self) -> NDArray[np.int64]:
        """The prompt of each answer, counted through all of them."""
        return np.repeat(np.arange(len(self.prompts)), [len(a) for a in self.answers])

    def frame(self) -> pl.DataFrame:
        """Each answer as a pair of itself, so that all can be embedded as pairs are."""
        said = (text for own in self.answers for text in own)
        turns = [[{"role": "assistant", "content": text, "more": None}] for text in said]
        prompts = [self.prompts[i] for i in self.owner()]
        sides = messages_series("chosen", turns)
        return pl.DataFrame([messages_series("prompt", prompts), sides, sides.alias("rejected")])


def read_pool(rows: PublishedRows, write: Writer | None = None) -> Pool:
    """The pool of an input; answers are written where a row has none.

    Args:
        rows: of the input.
        write: writes answers to prompts; None leaves rows without answers out.

    Raises:
        CurateError: nothing is there, or none of the first rows names a prompt.
    """
    pool = Pool()
    empty: list[list[Turn]] = []
    some = rows.require_kind(
        lambda row: any(name in row for name in PROMPTS),
        "no column holds prompts",
        f"one of {', '.join(PROMPTS)}, and answers as a list in one of {', '.join(ANSWERS)}",
    )
    for raw in some:
        if raw.values is None:
            pool.left_out[f"row: {raw.problem}"] += 1
            continue
        _take(raw.values, pool, empty)
    if write is None:
        pool.left_out["no answers, and no model to write some"] += len(empty)
    elif empty:
        for prompt, answers in zip(empty, write(empty), strict=True):
            _add(prompt, answers, pool)
    pool.left_out = Counter({why: n for why, n in pool.left_out.items() if n})
    return pool


def has_answers(settings: InputConfig) -> bool:
    """Whether most of the first rows are a pool's: a list of answers, or a prompt alone."""
    rows = sample_rows(settings)
    return 2 * sum(map(_is_pool, rows)) > len(rows)


def _is_pool(row: Mapping[str, Any]) -> bool:
    """Whether a row holds a list of answers, or a prompt alone, and no pair."""
    listed = any(isinstance(parsed_json(row.get(name)), list) for name in ANSWERS)
    pairs = {"chosen", "rejected"} & row.keys()
    asked = any(row.get(name) is not None for name in PROMPTS)
    return listed or (asked and not pairs and len(row) == 1)


def _take(row: Mapping[str, Any], pool: Pool, empty: list[list[Turn]]) -> None:
    asked = next((row[n] for n in PROMPTS if row.get(n) is not None), None)
    if isinstance(asked, str):
        talk = parse_embedded_messages(asked)
        asked = talk if isinstance(talk, list) else [{"role": "user", "content": asked}]
    turns, problem = as_messages(asked) if asked is not None else (None, "is null")
    if turns is None:
        pool.left_out[f"prompt {problem}"] += 1
        return
    turns, problem = prepend_system_message(row, turns)
    if problem is not None:
        pool.left_out[problem] += 1
        return
    # Files without nested columns hold the list as its JSON text.
    answers = parsed_json(next((row[n] for n in ANSWERS if row.get(n) is not None), None))
    if answers is None:
        empty.append(turns)
    else:
        _add(turns, answers, pool)


def _add(prompt: list[Turn], answers: Any, pool: Pool) -> None:
    if not isinstance(answers, list) or not all(isinstance(a, str | None) for a in answers):
        pool.left_out["answers that are no list of texts"] += 1
        return
    # Equal answers of one prompt would make pairs without a difference.
    texts = list(dict.fromkeys(a for a in answers if isinstance(a, str)))
    if len(texts) < _ENDS:
        pool.left_out["fewer than two different answers"] += 1
        return
    pool.prompts.append(prompt)
    pool.answers.append(texts)


def candidates(
    pool: Pool, rewards: NDArray[np.float64]
) -> tuple[pl.DataFrame, NDArray[np.int64], NDArray[np.int64]]:
    """All pairs of a prompt's answers, the one of the higher reward preferred.

    Of more than four answers the best two and the worst two count (UPO, arXiv 2409.11212, released
    code). Equal rewards make no pair.

    Args:
        pool: the pool.
        rewards: of each answer, counted through all prompts.

    Returns:
        The pair table, and the numbers of each pair's chosen and rejected answer.
    """
    ends = np.cumsum([0, *(len(a) for a in pool.answers)])
    chosen, rejected, prompts = [], [], []
    for i in range(len(pool.prompts)):
        own = np.arange(ends[i], ends[i + 1])
        # Stable, so that the same pool gives the same pairs on every machine.
        best = own[np.argsort(-rewards[own], kind="stable")]
        if len(best) > 2 * _ENDS:
            best = np.concatenate([best[:_ENDS], best[-_ENDS:]])
        for better, worse in combinations(best.tolist(), 2):
            if rewards[better] > rewards[worse]:
                chosen.append(better)
                rejected.append(worse)
                prompts.append(i)
    flat = pool.frame()
    first, second = np.array(chosen, dtype=np.int64), np.array(rejected, dtype=np.int64)
    frame = pl.DataFrame(
        [flat["prompt"][first], flat["chosen"][first], flat["rejected"][second]]
    ).with_columns(
        (pl.lit(None, dtype=t).alias(c) for c, t in PAIR_COLUMNS.items() if c not in flat.columns)
    )
    frame = frame.with_columns(is_tie=pl.lit(False), source=pl.lit(MADE))
    frame = frame.select(pl.col(c).cast(t) for c, t in PAIR_COLUMNS.items())
    return PairIds().give(frame), first, second
