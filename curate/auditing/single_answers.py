"""The audit of single answers: what is wrong with their texts; labels there are none."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from curate.auditing.structure import PromptLeakage, audit_leakage
from curate.data.json_result import JsonResult
from curate.data.table import BATCH_ROWS, batch_slices
from curate.errors import CurateError
from curate.read.inspection import DatasetSummary, inspect_pairs
from curate.read.pairs import Pairs
from curate.steps.context import Context
from curate.steps.declarations import Scope
from curate.steps.registry import scorer_class

NO_LABELS = "The rows are single answers: they have no labels whose noise could be estimated."
_HALF = 0.5
_PROBLEMS: dict[str, dict[str, pl.Expr]] = {
    "duplicates": {
        "exact repeats of an earlier row": pl.col("exact"),
        "near repeats of an earlier row": pl.col("near"),
    },
    "lengths": {
        "empty answers": pl.col("chosen") == 0,
        "empty prompts": pl.col("prompt") == 0,
    },
    "refusal": {"answers that refuse": pl.col("chosen")},
    "repetition": {"answers that repeat half of their word sequences": pl.col("chosen") > _HALF},
    "language": {
        "answers in another language than their prompt": pl.col("prompt") != pl.col("chosen")
    },
    "pii": {"answers with personal data": pl.col("chosen")},
}
"""What is counted, by the scorer whose columns say it."""


@dataclass(frozen=True)
class AnswerAudit(JsonResult):
    """What is wrong with the texts of single answers.

    Attributes:
        data: facts about the dataset, see `inspect_pairs`.
        problems: rows with each problem, of `data.pairs`.
        not_measured: scorers that could not be used, with what they need.
        leakage: prompts that are in another dataset too, if one was given.
        kind: what was audited.
    """

    data: DatasetSummary
    problems: dict[str, int]
    not_measured: dict[str, str] = field(default_factory=dict)
    leakage: PromptLeakage | None = None
    kind: str = "single answers"


def audit_single_answers(pairs: Pairs, against: Pairs | None = None) -> AnswerAudit:
    """Count the problems of single answers.

    Args:
        pairs: the dataset; `rejected` is null in all rows.
        against: another dataset, whose prompts are searched in this one.
    """
    problems, not_measured = dict[str, int](), dict[str, str]()
    for name, counted in _PROBLEMS.items():
        try:
            problems |= _count_problems(name, counted, pairs.frame)
        except CurateError as error:
            # A scorer of an extra that is not installed: the others still say what they can.
            not_measured[name] = error.fix or error.problem
    leakage = None if against is None else audit_leakage(pairs.frame, against.frame)
    return AnswerAudit(inspect_pairs(pairs), problems, not_measured, leakage)


def _count_problems(name: str, counted: dict[str, pl.Expr], frame: pl.DataFrame) -> dict[str, int]:
    """Return the rows with each problem by one scorer."""
    scorer = scorer_class(name)()
    # A row scorer sees a few thousand texts at a time, as in a run.
    rows = batch_slices(len(frame), BATCH_ROWS) if scorer.scope is Scope.ROW else [slice(None)]
    scores = pl.concat([scorer.score(frame[batch], Context()) for batch in rows])
    flags = scores.select(flag.fill_null(False).alias(text) for text, flag in counted.items())
    return {text: int(flags[text].sum()) for text in counted}
