"""The two contracts, Scorer and Filter, and what they are given and give back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

import polars as pl
from pydantic import ConfigDict

from curate.data.section import Checked

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
    """A column that a step makes: `<step>.<metric>`, with what a reader must know of it.

    Attributes:
        name: of the metric.
        meaning: one line.
        kind: type of its values.
        direction: which end is good.
        unit: and range.
        evidence: whether it may be evidence of the labels. "auto": a preference margin, above 0
            for the chosen answer, that was not learned from these labels; `evidence: auto` takes
            it. "named": a signed difference whose direction need not be that of preference; it is
            taken where `evidence` names it. "none": all others.
    """

    name: str
    meaning: str
    kind: Kind = "float"
    direction: Direction = "neither"
    unit: str = ""
    evidence: EvidenceUse = "none"

    @property
    def dtype(self) -> pl.DataType:
        """The polars type in which the column is stored."""
        return _DTYPES[self.kind]


class Parameters(Checked):
    """Base of every step's parameters: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def key_use(self) -> KeyUse | None:
        """The key that the step would send to a server; None: it sends none."""
        return None


P = TypeVar("P", bound=Parameters)


class Step(Generic[P]):
    """What scorers and filters have in common: a name, parameters and documentation.

    Subclasses set `name`, `summary` (one line), `purpose` (under which `curate list` shows it),
    `when` (when it helps and when it does not, as far as it was measured), `reference` (the paper,
    where there is one), `version` (raised when the same parameters give other results) and
    `Params`.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    purpose: ClassVar[str] = "plug-ins"
    when: ClassVar[str] = ""
    reference: ClassVar[str] = ""
    version: ClassVar[int] = 1
    Params: ClassVar[type[Parameters]]

    def __init__(self, /, **parameters: Any) -> None:
        self.params: P = self.Params(**parameters)  # type: ignore[assignment]


class Scorer(Step[P], ABC):
    """Computes score columns, one value a pair, in the order of the pairs.

    `scope` is "row" when a pair's score depends on that pair alone (the pipeline then hands over
    batches) and "table" when it depends on all pairs. A table scorer works on cached features.
    """

    scope: ClassVar[Literal["row", "table"]] = "table"
    learned: ClassVar[bool] = False
    """Whether scores are learned from the very labels that they judge."""
    from_labels: bool = False
    """Whether scores depend on the labels of other pairs in another way, as counts of votes do:
    they are no evidence of those labels."""
    needs_embeddings: bool = False
    reads_texts: bool = True
    """Whether `score` looks at prompts and answers, and not at their features alone."""
    reads_media: ClassVar[bool] = False
    """Whether a table scorer looks at images, videos or audios: these do not travel, so that it
    runs in the process that was started."""
    in_parts: bool = False
    """Whether a table scorer leaves the pairs in parts with the workers of the run, where it has
    any (`Context.workers`), and none of them needs the whole set."""
    stored: bool = False
    """Whether scores depend on nothing but pairs, parameters, seed and embeddings, and are worth
    keeping for the next run: those of a table scorer as a whole, of a row scorer row by row."""
    stored_whole: ClassVar[bool] = False
    """Whether a row scorer is so cheap that a look-up of single rows would cost more: its scores
    are kept as a whole."""

    @abstractmethod
    def columns(self) -> tuple[Column, ...]:
        """The columns that `score` returns, in order."""

    @abstractmethod
    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Scores of `pairs`: one row a pair, in order, the columns of `columns()`.

        A value that cannot be computed is NaN or null, and `<scorer>.status` says why.
        """


@dataclass(frozen=True)
class FilterResult:
    """What a filter decides of the pairs that it was given.

    Attributes:
        keep: one bool a pair.
        reason: one text a pair, read where `keep` is false.
        added: columns that the filter adds to every pair, kept or not.
        changed: pair columns that take the place of those of the kept pairs (a flipped label);
            what is dropped stays as it was read.
        code: one of the filter's `drop_codes` a pair, read where `keep` is false; None: the first
            code for all.
    """

    keep: pl.Series
    reason: pl.Series
    added: pl.DataFrame | None = None
    changed: pl.DataFrame | None = None
    code: pl.Series | None = None


class Filter(Step[P], ABC):
    """Decides which pairs go on.

    A ranker is a filter that also adds a score column, a transform one that changes pairs or adds
    a training weight (0 or more), named by `weight`, or the probability that the label as written
    is right (0 to 1), named by `label_probability`.
    """

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
        """The columns that `apply` reads; it is given no others, but for those of whole pairs."""

    def adds(self) -> tuple[Column, ...]:
        """The columns that `apply` adds."""
        return ()

    @abstractmethod
    def apply(self, pairs: pl.DataFrame, context: Context) -> FilterResult:
        """The verdict on `pairs`: `pair_id` and the columns of `reads()`.

        Where one of these holds messages or media, all columns are there: what belongs to a text,
        such as tools and images, may stand in any.
        """


def keep_all(
    pairs: pl.DataFrame, added: pl.DataFrame, changed: pl.DataFrame | None = None
) -> FilterResult:
    """The verdict of a transform: nothing is dropped."""
    keep = pl.repeat(True, len(pairs), eager=True)
    return FilterResult(
        keep, pl.repeat(None, len(pairs), dtype=pl.String, eager=True), added, changed
    )


def same_reason(keep: pl.Series, reason: str) -> FilterResult:
    """A verdict that gives every dropped pair the same reason."""
    return FilterResult(keep, pl.repeat(reason, len(keep), dtype=pl.String, eager=True))
