"""What a step reports of the whole dataset while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from curate.data.json_types import JsonObject


@dataclass
class StepReport:
    """Facts and warnings of one step, which the pipeline puts into its record.

    Attributes:
        facts: facts about the whole dataset, as plain data.
        warnings: warnings for the user.

    Examples:
        >>> report = StepReport()
        >>> report.facts["pairs"] = 3
        >>> report.facts, report.warnings
        ({'pairs': 3}, [])
    """

    facts: JsonObject = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def counts(self, *names: str) -> dict[str, float]:
        """Return the numbers under nested keys of the facts, none at first, for a step to add to.

        Examples:
            >>> report = StepReport()
            >>> counts = report.counts("models", "smollm2")
            >>> counts["tokens"] = counts.get("tokens", 0) + 5
            >>> report.facts
            {'models': {'smollm2': {'tokens': 5}}}
        """
        level = self.facts
        for name in names:
            level = cast("JsonObject", level.setdefault(name, {}))
        return cast("dict[str, float]", level)
