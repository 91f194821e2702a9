"""The noise rate, and the calibration curve, from a run's held-out margins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from curate.data.json_result import JsonResult
from curate.data.json_types import Json
from curate.data.table import gather_pairs
from curate.models.heads.noise.estimate import NoiseEstimate
from curate.report.run_view import RunView, sample_view_rows
from curate.steps.context import Context

if TYPE_CHECKING:
    from curate.models.heads.noise.calibration import Calibration, ReliabilityBin

_MARGINS = ("label_em.margin", "noise_score.margin", "reward_margin.margin")
# Margins in the plot: more would look the same.
_SAMPLE_PAIRS = 3000
_ROW = "__row__"
# Fewer margins draw no curve.
_MIN_MARGINS = 50


@dataclass(frozen=True)
class NoiseSection(JsonResult):
    """What the report says of the labels' noise.

    Attributes:
        column: the column of held-out margins that it rests on.
        estimate: the share of wrong labels.
        pairs: pairs of the sample.
        of: pairs with a margin.
        agreement: agreement of the probe models with the labels, as a sentence.
        calibration: calibration of the margins.
        reliability_curve: its curve.
    """

    column: str
    estimate: NoiseEstimate
    pairs: int
    of: int
    agreement: str
    calibration: Calibration
    reliability_curve: tuple[ReliabilityBin, ...]


def noise_section(view: RunView) -> NoiseSection | None:
    """Return calibration, its curve and the noise rate; None without held-out margins.

    On at most 3,000 pairs drawn at random: `curate audit` takes all pairs.
    """
    column = next((name for name in _MARGINS if name in view.frame.columns), None)
    if column is None:
        return None
    doubted = view.frame[[column, "is_tie"]].with_row_index(_ROW)
    voted = doubted.filter(pl.col(column).is_not_null(), ~pl.col("is_tie"))[_ROW].to_frame()
    if len(voted) < _MIN_MARGINS:
        return None
    # Not before there is something to fit: the report of a run without heads must not wait.
    from curate.models.heads.noise.calibration import calibrate, reliability_curve
    from curate.models.heads.noise.pair_agreement import pair_agreement
    from curate.models.heads.noise.rate import estimate_noise_rate

    rows = gather_pairs(view.frame, sample_view_rows(voted, _SAMPLE_PAIRS)[_ROW].to_numpy())
    margins = rows[column].to_numpy()
    calibration = calibrate(margins)
    groups = Context().prompt_groups(rows)
    return NoiseSection(
        column,
        # The scorer's own word is of all pairs: a sample tears votes on the same answers apart.
        _recorded_estimate(view, column) or estimate_noise_rate(margins, rows, groups),
        len(rows),
        len(voted),
        _recorded_agreement(view, column) or pair_agreement(margins, groups).text,
        calibration,
        tuple(reliability_curve(calibration.scale * margins)),
    )


def _recorded_estimate(view: RunView, column: str) -> NoiseEstimate | None:
    """Return the noise rate that the scorer of the margins estimated, if it did."""
    return NoiseEstimate.from_facts(_scorer_facts(view, column))


def _recorded_agreement(view: RunView, column: str) -> str | None:
    """Return the agreement that the scorer of the margins measured on all pairs, if it did."""
    learnt = _scorer_facts(view, column).get("learnt")
    agreement = learnt.get("agreement") if isinstance(learnt, dict) else None
    text = agreement.get("text") if isinstance(agreement, dict) else None
    return text if isinstance(text, str) else None


def _scorer_facts(view: RunView, column: str) -> Mapping[str, Json]:
    """Return what the scorer of a column recorded."""
    name = column.partition(".")[0]
    return next((step.facts for step in view.manifest.steps if step.name == name), {})
