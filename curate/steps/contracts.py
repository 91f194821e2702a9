"""The two contracts, Scorer and Filter: what they receive and what they return."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

import polars as pl
from pydantic import ConfigDict

from curate.data.strict_model import StrictModel
from curate.steps.declarations import Cache, Input, OldFlags, Scope, Standing

if TYPE_CHECKING:
    from curate.steps.context import Context
    from curate.steps.key_use import KeyUse

Direction = Literal["higher is better", "lower is better", "neither"]
HIGHER: Direction = "higher is better"
LOWER: Direction = "lower is better"
Kind = Literal["float", "int", "bool", "text"]
EvidenceUse = Literal["auto", "named", "none"]

_DTYPES: dict[Kind, pl.DataType] = {
    "float": pl.Float64(),
    "int": pl.Int64(),
    "bool": pl.Boolean(),
    "text": pl.String(),
}


@dataclass(frozen=True)
class Column:
    """A column that a step adds: `<step>.<metric>`, with what a reader must know about it.

    Attributes:
        name: name of the metric.
        meaning: one line.
        kind: type of its values.
        direction: whether a high or a low value is good.
        unit: unit and range of its values.
        evidence: whether the column may serve as evidence of the labels. "auto": a preference
            margin, above 0 for the chosen answer, that was not learned from these labels;
            `evidence: auto` uses it. "named": a signed difference whose direction need not be that
            of preference; it is used if `evidence` names it. "none": all others.

    Examples:
        >>> column = Column("words", "words of the prompt", "int", unit="words, 0 or more")
        >>> column.dtype, column.direction
        (Int64, 'neither')
    """

    name: str
    meaning: str
    kind: Kind = "float"
    direction: Direction = "neither"
    unit: str = ""
    evidence: EvidenceUse = "none"

    @property
    def dtype(self) -> pl.DataType:
        """Return the polars type in which the column is stored."""
        return _DTYPES[self.kind]


class Parameters(StrictModel):
    """Base class of every step's parameters: immutable; unknown keys are an error.

    Examples:
        >>> class WordsParams(Parameters):
        ...     min_words: int = 0
        >>> WordsParams(min_words=3).min_words
        3
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def key_use(self) -> KeyUse | None:
        """Return the API key that the step would send to a server; None if it sends none."""
        return None

    def key_uses(self) -> tuple[KeyUse, ...]:
        """Return all API keys that the step would send; several where it asks several servers."""
        use = self.key_use()
        return () if use is None else (use,)


P = TypeVar("P", bound=Parameters)


class Step(Generic[P]):
    """Base class of scorers and filters: a name, parameters and documentation.

    Subclasses set `name`, `summary` (one line), `purpose` (under which `curate list` shows it),
    `when` (when it helps and when it does not, as far as it was measured), `reference` (the paper,
    where there is one), `standing` (what measurements say of it), `version` (raised when the same
    parameters give other results) and `Params`.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    purpose: ClassVar[str] = "plug-ins"
    when: ClassVar[str] = ""
    reference: ClassVar[str] = ""
    standing: ClassVar[Standing] = Standing.SITUATIONAL
    version: ClassVar[int] = 1
    Params: ClassVar[type[Parameters]]

    def __init__(self, /, **parameters: Any) -> None:
        self.params: P = self.Params(**parameters)  # type: ignore[assignment]


class Scorer(OldFlags, Step[P], ABC):
    """Computes score columns, one value per pair, in the order of the pairs.

    It declares what it reads (`inputs`), which pairs a score depends on (`scope`), what is stored
    for the next run (`cache`), and whether it learns from the labels (`learned`). The pipeline
    passes batches of pairs to a scorer of the scope `Scope.ROW`, all pairs to others.

    Examples:
        >>> class PromptTurns(Scorer[Parameters]):
        ...     name, summary = "prompt_turns", "Counts the turns of the prompt."
        ...     scope, Params = Scope.ROW, Parameters
        ...
        ...     def columns(self):
        ...         return (Column("count", "turns of the prompt", "int"),)
        ...
        ...     def score(self, pairs, context):
        ...         return pairs.select(count=pl.col("prompt").list.len().cast(pl.Int64))
        >>> prompts = pl.DataFrame({"prompt": [["Hi"], ["Hi", "Hello", "What is 2 + 2?"]]})
        >>> PromptTurns().score(prompts, context=None)["count"].to_list()
        [1, 3]
    """

    single_answer_columns: ClassVar[tuple[str, ...]] = ()
    """Columns that hold for sets of single answers, whose `rejected` is null; the others are null
    there. Without any the scorer needs two answers, and such a set is refused."""
    single_answer_settings: ClassVar[str] = ""
    """Parameters without which it needs two answers, for messages: `mode: rating`."""
    inputs: frozenset[Input] = frozenset({Input.TEXTS})
    scope: Scope = Scope.TABLE
    cache: Cache = Cache.NONE
    learned: ClassVar[bool] = False
    """Whether scores are learned from the labels that they are about."""
    from_labels: bool = False
    """Whether scores depend on the labels of other pairs in another way, as vote counts do: they
    are no evidence of those labels."""

    @abstractmethod
    def columns(self) -> tuple[Column, ...]:
        """Return the columns that `score` returns, in order."""

    @abstractmethod
    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return the columns of `columns()`: one row per pair, in order.

        A value that cannot be computed is NaN or null, and `<scorer>.status` gives the reason.
        """


@dataclass(frozen=True)
class FilterResult:
    """A filter's decision on the pairs that it received.

    Attributes:
        keep: (pairs,) bool.
        reason: (pairs,) text, read where `keep` is false.
        added: columns that the filter adds to every pair, kept or dropped.
        changed: pair columns that replace those of the kept pairs (a flipped label); dropped pairs
            stay as they were read.
        code: (pairs,) one of the filter's `drop_codes`, read where `keep` is false; None: the first
            code for all.

    Examples:
        >>> keep = pl.Series([True, False])
        >>> FilterResult(keep, pl.Series([None, "too short"])).reason.to_list()
        [None, 'too short']
    """

    keep: pl.Series
    reason: pl.Series
    added: pl.DataFrame | None = None
    changed: pl.DataFrame | None = None
    code: pl.Series | None = None


class Filter(Step[P], ABC):
    """Decides which pairs to keep.

    A ranker is a filter that also adds a score column. A transform is a filter that changes pairs,
    or adds a training weight (0 or more), named by `weight`, or the probability that the label as
    written is correct (0 to 1), named by `label_probability`.

    Examples:
        >>> class ShortPrompts(Filter[Parameters]):
        ...     name, summary = "short_prompts", "Drops prompts of several turns."
        ...     Params = Parameters
        ...
        ...     def reads(self):
        ...         return ("prompt",)
        ...
        ...     def apply(self, pairs, context):
        ...         return same_reason(pairs["prompt"].list.len() == 1, "several turns")
        >>> prompts = pl.DataFrame({"prompt": [["Hi"], ["Hi", "Hello", "What is 2 + 2?"]]})
        >>> ShortPrompts().apply(prompts, context=None).keep.to_list()
        [True, False]
    """

    single_answers: ClassVar[bool] = False
    """Whether the filter also works on sets of single answers, whose `rejected` is null."""
    weight: ClassVar[str | None] = None
    label_probability: ClassVar[str | None] = None
    drop_codes: ClassVar[tuple[str, ...]] = ()
    """Short names of the causes for which the filter drops a pair, the usual cause first.
    They can be counted, which reasons with numbers in them cannot. The default is the name."""

    @classmethod
    def all_drop_codes(cls) -> tuple[str, ...]:
        """Return every code that the filter may give a dropped pair, the usual one first."""
        return cls.drop_codes or (cls.name,)

    @abstractmethod
    def reads(self) -> tuple[str, ...]:
        """Return the columns that `apply` reads; it receives no others (see `apply`)."""

    def adds(self) -> tuple[Column, ...]:
        """Return the columns that `apply` adds."""
        return ()

    @abstractmethod
    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """Return the decision on `pairs`, which have `pair_id` and the columns of `reads()`.

        If one of these holds messages or media, `pairs` has all columns: what belongs to a text,
        such as tools and images, may be in any of them.
        """


def keep_all(
    pairs: pl.DataFrame, added: pl.DataFrame, changed: pl.DataFrame | None = None
) -> FilterResult:
    """Return the result of a transform: every pair is kept.

    Args:
        pairs: the pairs that the filter received.
        added: columns to add, one row per pair.
        changed: pair columns that replace those of `pairs`.

    Examples:
        >>> pairs = pl.DataFrame({"pair_id": ["a", "b"]})
        >>> keep_all(pairs, pl.DataFrame({"weight": [1.0, 0.5]})).keep.to_list()
        [True, True]
    """
    keep = pl.repeat(True, len(pairs), eager=True)
    return FilterResult(
        keep, pl.repeat(None, len(pairs), dtype=pl.String, eager=True), added, changed
    )


def same_reason(keep: pl.Series, reason: str) -> FilterResult:
    """Return a result that gives every dropped pair the same reason.

    Args:
        keep: (pairs,) bool.
        reason: the reason of each dropped pair.

    Examples:
        >>> same_reason(pl.Series([True, False]), "a tie").reason.to_list()
        ['a tie', 'a tie']
    """
    return FilterResult(keep, pl.repeat(reason, len(keep), dtype=pl.String, eager=True))
