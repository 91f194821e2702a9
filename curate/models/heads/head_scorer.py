"""What all scorers by held-out heads have in common: when they cannot score, and their status."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import polars as pl

from curate.data.renamed import warn_renamed
from curate.models.heads.noise.learnability import (
    LearnabilityTest,
    assess_learnability,
    mask_unlearnable_status,
)
from curate.models.heads.out_of_fold import has_too_few_prompts, training_status, vote_mask
from curate.steps.context import Context
from curate.steps.contracts import Column, Parameters, Scorer
from curate.steps.declarations import Cache, Input, Scope
from curate.store.array_blocks import select_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

P = TypeVar("P", bound=Parameters)
TOO_FEW_PROMPTS = "too few prompts"
STATUS = Column(
    "status",
    "ok; or why the score is missing or the pair taught the heads nothing "
    f"(tie, identical answers, {TOO_FEW_PROMPTS})",
    kind="text",
)


class HeldOutScorer(Scorer[P]):
    """A scorer by heads that did not see the pair; its columns end with `STATUS`.

    Examples:
        >>> from curate import read_pairs
        >>> from curate.models.heads.out_of_fold import RepeatedHeadParameters
        >>> class Margin(HeldOutScorer[RepeatedHeadParameters]):
        ...     name, summary, Params = "margin", "Held-out margins.", RepeatedHeadParameters
        ...
        ...     def columns(self):
        ...         return (Column("mean", "mean held-out margin", unit="nats"), STATUS)
        ...
        ...     def held_out_scores(self, pairs, context):
        ...         margins = self.params.train(pairs, context).margins()
        ...         return pl.DataFrame({"mean": margins.mean(axis=1)})
        >>> pairs = read_pairs([{"prompt": "2 + 2?", "chosen": "4", "rejected": "5"}]).frame
        >>> Margin().score(pairs, Context()).rows()
        [(None, 'too few prompts')]
    """

    inputs = frozenset({Input.EMBEDDINGS})
    cache = Cache.WHOLE
    learned: ClassVar[bool] = True
    margins_alone: ClassVar[bool] = False
    """Whether it uses only the margins of `train_out_of_fold`, and no features."""

    def __init__(self, **parameters: Any) -> None:
        super().__init__(**parameters)
        if getattr(self.params, "head", None) == "lora":
            self.inputs = self.inputs | {Input.TEXTS, Input.MODEL}
            # Adapters of a language model depend on that model too.
            self.cache = Cache.NONE
        if self.margins_alone and getattr(self.params, "in_parts", False):
            self.scope = Scope.PARTITIONED

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return out-of-fold scores of all pairs, or nulls where there are too few prompts to
        split."""
        columns = self.columns()
        # Nulls instead of an error: one small source must not stop a run over many.
        if has_too_few_prompts(pairs, context):
            nulls = pl.DataFrame([pl.Series(c.name, [None] * len(pairs), c.dtype) for c in columns])
            status = training_status(pairs, context)
            return nulls.with_columns(
                mask_unlearnable_status(status, status == "ok", TOO_FEW_PROMPTS)
            )
        scores = self.held_out_scores(pairs, context)
        status_column = self.status(pairs, context).alias("status")
        # Side by side: an expression would bring columns of mapped files into memory.
        return scores.hstack([status_column])[[c.name for c in columns]]

    def status(self, pairs: pl.DataFrame, context: Context) -> pl.Series:
        """Return the status of each pair, once its scores are there."""
        return training_status(pairs, context)

    @abstractmethod
    def held_out_scores(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return the columns but `status`, one row a pair, in order."""


def record_learnability(
    margin: NDArray[np.float64], pairs: pl.DataFrame, context: Context
) -> LearnabilityTest:
    """Test whether a scorer's heads learn from the labels; record it in facts and warnings.

    Args:
        margin: (pairs,) held-out; positive where the heads side with the label.
        pairs: the pair table.
        context: of the scorer.

    Examples:
        >>> import numpy as np
        >>> from curate import read_pairs
        >>> rows = [{"prompt": str(n), "chosen": "yes", "rejected": "no"} for n in range(20)]
        >>> context = Context()
        >>> record_learnability(np.ones(20), read_pairs(rows).frame, context).ok
        True
        >>> record_learnability(np.tile([1.0, -1.0], 10), read_pairs(rows).frame, context).ok
        False
    """
    voting = vote_mask(pairs, context)
    groups = select_rows(context.prompt_groups(pairs), voting)
    # Ties and identical answers have no label that a head could agree with.
    learnt = assess_learnability(select_rows(margin, voting), groups)
    learnt.record(context)
    return learnt


def __getattr__(name: str) -> object:
    # Plug-ins of version 0.3 import the old name; it stays for one release.
    if name == "HeadScorer":
        warn_renamed("curate.models.heads.head_scorer.HeadScorer", "curate.scoring.HeldOutScorer")
        return HeldOutScorer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
