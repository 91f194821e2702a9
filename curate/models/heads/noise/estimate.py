"""What is known of the share of wrong labels, as a result that travels with a run.

Apart from `rate`, which computes it: a card and a report need no libraries of statistics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from curate.data.json_result import JsonResult
from curate.data.json_types import Json
from curate.models.heads.noise.label_rules import LabelRule
from curate.steps.findings import read_fact

NOISE_FACT = "noise"
"""Fact of a scorer that estimates the share of wrong labels."""


@dataclass(frozen=True)
class NoiseEstimate(JsonResult):
    """The share of wrong labels as far as it can be estimated.

    Attributes:
        rate: None where there is no point estimate.
        low: lower end of the interval, None where nothing can be said.
        high: upper end.
        text: for people; a number stands beside the assumption it rests on.
        short: the number and little else, for a cell of a table.
        rule: that labels follow, so that nothing can be estimated.
    """

    rate: float | None
    low: float | None
    high: float | None
    text: str
    short: str = ""
    rule: LabelRule | None = None

    @classmethod
    def from_facts(cls, facts: Mapping[str, Json]) -> NoiseEstimate | None:
        """Return the estimate that a scorer recorded, None if it made none."""
        return read_fact(cls, facts, NOISE_FACT)
