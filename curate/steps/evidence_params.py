"""The parameter `evidence` of scorers that read `Context.evidence`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from curate.data.section import Section
from curate.steps.contracts import Parameters
from curate.steps.evidence import Trust


class EvidenceColumn(Section):
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


def _from_column(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


NamedEvidence = Annotated[
    EvidenceColumn, BeforeValidator(_from_column, json_schema_input_type=str | EvidenceColumn)
]
"""An `EvidenceColumn`, which may be given by its column alone."""


class EvidenceParameters(Parameters):
    """Parameters of scorers that read `Context.evidence`."""

    evidence: Literal["auto"] | tuple[NamedEvidence, ...] = Field(
        "auto",
        description="Margins that were not learned from these labels: columns, or {column: ..., "
        "trust: strong}; auto: all preference margins of other scorers and scores of the file; "
        "[]: none.",
    )
