"""LCPO / RE-PO: the posterior that each label is right, and how reliable each annotator is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import polars as pl
from pydantic import Field

from curate.context import Context
from curate.models.calibration import calibrate
from curate.models.label_noise import AnnotatorNoise, fit_annotators
from curate.models.out_of_fold import (
    STATUS,
    HeadParameters,
    missing,
    status,
    too_few_prompts,
    train_out_of_fold,
    trainable,
)
from curate.steps import HIGHER, Column, Scorer

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHOWN = 50


class LabelEMParams(HeadParameters):
    """Parameters of `label_em`."""

    features: Literal["embedding", "both", "length"] = Field(
        "both", description="What a head sees of an answer: embedding, both (with style), length."
    )
    repeats: int = Field(8, ge=1, description="Times the folds are drawn anew; margins averaged.")
    rounds: int = Field(
        3, ge=1, description="Times heads are trained, each with the reliability found before."
    )
    prior_votes: float = Field(
        20.0, ge=0, description="Votes' worth of belief that an annotator is like all the others."
    )


class LabelEM(Scorer[LabelEMParams]):
    """Expectation maximisation of label reliability on held-out margins.

    Heads are trained by the loss -log(p eta + (1 - p)(1 - eta)), then scale and eta are fitted to
    their held-out margins together, and so on. The paper trains a policy and assumes calibration;
    fitting the scale alone to noisy labels first would hide the flips in it.
    """

    name = "label_em"
    summary = "posterior that the label is right; reliability of each annotator (LCPO / RE-PO)"
    reference = "LCPO / RE-PO, arXiv 2509.24159, Section 4"
    needs_embeddings: ClassVar[bool] = True
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

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Posterior of all pairs; ties and identical answers get none."""
        if too_few_prompts(pairs, context):
            return missing(self.columns(), pairs, context)
        votes = trainable(pairs)
        names, annotator = _annotators(pairs)
        margins, noise = self._fit(pairs, context, annotator, votes)
        self._tell(context, noise, names, annotator, margins[votes])
        posterior = np.full(len(pairs), np.nan)
        posterior[votes] = noise.posterior
        frame = pl.DataFrame(
            {
                "posterior": posterior,
                "reliability": noise.reliability[annotator],
                "margin": noise.pooled.scale * margins,
            }
        )
        return frame.with_columns(status(pairs, context))

    def _fit(
        self,
        pairs: pl.DataFrame,
        context: Context,
        annotator: NDArray[np.int64],
        votes: NDArray[np.bool_],
    ) -> tuple[NDArray[np.float64], AnnotatorNoise]:
        p = self.params
        spec = p.spec()
        for left in range(p.rounds, 0, -1):
            trained = train_out_of_fold(pairs, context, spec, p.repeats, p.folds, p.features)
            margins = trained.margins().mean(axis=1)
            noise = fit_annotators(margins[votes], annotator[votes], p.prior_votes)
            eta = round(noise.pooled.reliability, 3)
            if left == 1 or spec.loss_parameter == eta or p.loss != "bt":
                break
            spec = replace(spec, loss="lcpo", loss_parameter=eta)
        return margins, noise

    def _tell(
        self,
        context: Context,
        noise: AnnotatorNoise,
        names: list[str],
        annotator: NDArray[np.int64],
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
    number = column.rank("dense").to_numpy().astype(np.int64) - 1
    return names, number
