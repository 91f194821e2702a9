"""The parameter `evidence` of scorers that read `Context.evidence`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from copy import copy
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field

from curate.data.strict_model import YamlSection
from curate.steps.contracts import HIGHER, Column, Parameters
from curate.steps.evidence import Trust


class EvidenceColumn(YamlSection):
    """A column that a scorer takes as evidence, as a configuration names it."""

    column: str = Field(
        min_length=1,
        description="Column of another scorer (reward_model.margin), strength, score_gap, a key "
        "extra.x with numbers, or a difference: extra.a - extra.b.",
    )
    trust: Trust = Field(
        "unknown",
        description="strong: the source is known to be good; unknown: it may be useless, or worse "
        "than chance, on this dataset.",
    )


def _from_column(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


NamedEvidence = Annotated[
    EvidenceColumn, BeforeValidator(_from_column, json_schema_input_type=str | EvidenceColumn)
]
"""An `EvidenceColumn`, which may be given as the name of its column."""


class EvidenceParameters(Parameters):
    """Parameters of scorers that read `Context.evidence`."""

    evidence: Literal["auto"] | tuple[NamedEvidence, ...] = Field(
        "auto",
        description="Margins that were not learned from these labels: columns, or {column: ..., "
        "trust: strong}; auto: all preference margins of other scorers and scores of the file; "
        "[]: none.",
    )


FILE_SOURCE = "file"
"""Name of the source that `auto` finds in the file, which is known only once the file is read."""


class SourceColumns:
    """Part of a scorer that has a column for each source of its evidence, where there are several.

    Attributes:
        source_names: columns that the plan gives it as evidence, and `FILE_SOURCE`.
    """

    source_names: tuple[str, ...] = ()

    def with_sources(self, names: Iterable[str]) -> Self:
        """Return the scorer with these sources; a single one is all of the column `evidence`."""
        names = tuple(names)
        scorer = copy(self)
        # A single source is all of `evidence`: its own column would repeat that one.
        scorer.source_names = names if len(names) > 1 else ()
        return scorer

    @property
    def source_columns(self) -> tuple[Column, ...]:
        """The column of each source, in the order of `source_names`."""
        columns: dict[str, str] = {}
        for source in self.source_names:
            base = name = "evidence_" + re.sub(r"\W+", "_", source).strip("_")
            number = 2
            while name in columns:
                name, number = f"{base}_{number}", number + 1
            columns[name] = source
        return tuple(
            Column(
                name,
                f"what {source} says for the label, part of `evidence`",
                "float",
                HIGHER,
                "nats",
            )
            for name, source in columns.items()
        )
