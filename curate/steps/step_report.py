"""What a step reports of the whole dataset while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class StepReport:
    """Facts and warnings of one step, which the pipeline puts into its record.

    Attributes:
        facts: facts about the whole dataset, as plain data.
        warnings: warnings for the user.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
