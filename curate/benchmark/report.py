"""What a bench measured and says, in memory and in bench.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from curate.benchmark.advice import Advice
from curate.benchmark.condition import Condition
from curate.benchmark.given_labels import GivenLabelNoise
from curate.benchmark.method_comparison import MethodComparison
from curate.benchmark.run import KEEP_ALL, BenchPlan
from curate.benchmark.summary import MethodResult, method_results
from curate.data.json_result import JsonResult, to_plain
from curate.data.json_types import JsonObject
from curate.data.notebook_html import facts_html, table_html
from curate.errors import CurateError
from curate.versions import versions

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_SHOWN_COLUMNS = ("method", "downstream_accuracy", "gain", "gain_low", "gain_high", "p", "verdict")


@dataclass(frozen=True)
class BenchFindings(JsonResult):
    """What the page of a bench shows; bench.json holds it and more.

    Attributes:
        advice: what to do, one for each dataset, pattern and rate; labels as they are first.
        summary: results of each method, in the order of the experiments.
        noise: what is known of the labels' own noise, by dataset.
    """

    advice: tuple[Advice, ...]
    summary: tuple[MethodResult, ...]
    noise: Mapping[str, GivenLabelNoise]

    def results(self, condition: Condition) -> list[MethodResult]:
        """Return the results of a condition, the largest gain first."""
        rows = (row for row in self.summary if row.condition == condition)
        return sorted(rows, key=lambda row: -row.gain)


@dataclass(frozen=True)
class BenchReport:
    """What a bench measured and says.

    Attributes:
        plan: what was tried.
        rows: the results, one row an experiment and method.
        summary: their means, gains and verdicts, as a table.
        advice: what to do, one for each dataset, pattern and rate; labels as they are first.
        comparisons: whether methods differ by more than chance.
        noise: what is known of the labels' own noise, by dataset.
        notes: what the user should know.
    """

    plan: BenchPlan
    rows: pl.DataFrame
    summary: pl.DataFrame
    advice: list[Advice]
    comparisons: list[MethodComparison]
    noise: dict[str, GivenLabelNoise]
    notes: list[str] = field(default_factory=list)

    @cached_property
    def gains(self) -> tuple[MethodResult, ...]:
        """Return the rows of the summary: what each method gains, on each dataset."""
        return method_results(self.summary)

    def findings(self) -> BenchFindings:
        """Return what the page shows."""
        return BenchFindings(tuple(self.advice), self.gains, self.noise)

    def plot_gains(self, condition: Condition | None = None) -> Figure:
        """Return the gain of each step over keeping all pairs, as a Plotly figure.

        Args:
            condition: dataset, pattern and rate, such as `advice[1].key`; default the first: the
                labels as they are.

        Raises:
            CurateError: the bench tested no step under this condition.
        """
        from curate.benchmark.figures import gains_figure

        key = condition or (self.advice[0].key if self.advice else None)
        rows = [] if key is None else self.findings().results(key)
        steps = [row for row in rows if row.method != KEEP_ALL]
        if not steps:
            raise CurateError(
                "no step was tested",
                where="plot_gains",
                found=repr(key),
                expected="the key of one of `advice`",
            )
        return gains_figure(steps)

    def to_json(self) -> JsonObject:
        """Return the report as plain data, without the rows of single experiments."""
        return {
            "versions": versions(),
            "plan": to_plain(self.plan),
            "notes": self.notes,
            "advice": to_plain(self.advice),
            "comparisons": to_plain(self.comparisons),
            "noise": to_plain(self.noise),
            "summary": self.summary.to_dicts(),
        }

    def _repr_html_(self) -> str:
        html_parts = []
        for advice in self.advice:
            key = advice.key
            title = f"{key.dataset}, {key.pattern} {key.rate:.0%}"
            table = key.rows(self.summary).select(*_SHOWN_COLUMNS).sort("gain", descending=True)
            html_parts.append(facts_html({title: " ".join(advice.sentences)}))
            html_parts.append(table_html("", _SHOWN_COLUMNS, table.rows()))
        return "".join(html_parts)
