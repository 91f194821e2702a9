"""LCPO / RE-PO: the posterior that each label is right, and how reliable each annotator is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import Field
from scipy.special import expit

from curate.context import Context
from curate.models.calibration import calibrate
from curate.models.combined import combined_margins
from curate.models.head_scorer import STATUS, HeadScorer
from curate.models.label_noise import (
    AnnotatorNoise,
    fit_annotators,
    fit_label_noise,
    posterior,
)
from curate.models.out_of_fold import votes
from curate.pairs import dense_numbers
from curate.steps import HIGHER, Column, Parameters

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHOWN = 50


class LabelEMParams(Parameters):
    """Parameters of `label_em`."""

    prior_votes: float = Field(
        20.0, ge=0, description="Votes' worth of belief that an annotator is like all the others."
    )


class LabelEM(HeadScorer[LabelEMParams]):
    """Expectation maximisation of label reliability on the held-out margins of `noise_score`.

    Scale and flip rate are fitted together, since a scale fitted to noisy labels first would hide
    the flips in it. The paper's M step on the policy is left out: retraining the heads with the
    posterior as weight ranked flips worse than plain training did.
    """

    name = "label_em"
    summary = "posterior that the label is right; reliability of each annotator (LCPO / RE-PO)"
    reference = "LCPO / RE-PO, arXiv 2509.24159, Section 4"
    Params = LabelEMParams

    def columns(self) -> tuple[Column, ...]:
        """Posterior, reliability and the probability they rest on."""
        return (
            Column(
                "posterior",
                "probability that the label is right; usable as a training weight",
                "float",
                HIGHER,
                "0 to 1",
            ),
            Column(
                "reliability",
                "of the pair's annotator: probability that a label is not flipped",
                "float",
                HIGHER,
                "0.5 to 1",
            ),
            Column("margin", "scaled held-out margin of the label", "float", HIGHER, "nats"),
            STATUS,
        )

    def held_out_scores(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Posterior of all pairs; ties and identical answers get none."""
        voting = votes(pairs, context)
        names, annotator = _annotators(pairs)
        combined = combined_margins(pairs, context)
        # Rates rest on the first round alone: the second one has been pulled towards its beliefs.
        noise = fit_annotators(combined.plain[voting], annotator[voting], self.params.prior_votes)
        eta = noise.pooled.reliability
        margins = fit_label_noise(combined.margin[voting], eta).scale * combined.margin
        self._tell(context, noise, names, combined.plain[voting])
        right = posterior(expit(margins), noise.reliability[annotator])
        return pl.DataFrame(
            {
                "posterior": np.where(voting, right, np.nan),
                "reliability": noise.reliability[annotator],
                "margin": margins,
            }
        )

    def _tell(
        self,
        context: Context,
        noise: AnnotatorNoise,
        names: list[str],
        margins: NDArray[np.float64],
    ) -> None:
        context.facts["noise_rate"] = round(noise.pooled.rate, 4)
        context.facts["scale"] = round(noise.pooled.scale, 4)
        context.facts["em_rounds"] = noise.rounds
        context.facts["calibration"] = calibrate(margins).facts()
        worst = np.argsort(noise.reliability, kind="stable")[:_SHOWN]
        context.facts["reliability"] = {
            names[k]: round(float(noise.reliability[k]), 4) for k in worst
        }


def _annotators(pairs: pl.DataFrame) -> tuple[list[str], NDArray[np.int64]]:
    """Names, and each pair's position among them; pairs without one share the name "(none)"."""
    column = pairs["annotator"].fill_null("(none)")
    names = column.unique().sort().to_list()
    return names, dense_numbers(column)
