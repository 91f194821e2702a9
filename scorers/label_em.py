"""LCPO / RE-PO: the posterior that each label is right, and how reliable each annotator is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import Field
from scipy.special import expit

from curate import HIGHER, Column, Context, CurateError
from curate.data.extra_column import SLOT_KEY, extra_value
from curate.data.hashes import select_in_batches
from curate.data.table import dense_numbers
from curate.models.heads.asymmetric_noise import fit_asymmetric
from curate.models.heads.calibration import calibrate
from curate.models.heads.head_scorer import STATUS
from curate.models.heads.held_out_margins import HeldOut
from curate.models.heads.label_noise import (
    AnnotatorNoise,
    fit_annotators,
    fit_label_noise,
    posterior,
)
from curate.models.heads.margin_scorer import MarginParams, MarginScorer
from curate.models.heads.noise_rate import tell_noise, told_for
from curate.models.heads.out_of_fold import votes
from curate.store.row_blocks import in_blocks, some_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHOWN = 50
SLOT = "slot"


class LabelEMParams(MarginParams):
    """Parameters of `label_em`."""

    prior_votes: float = Field(
        20.0, ge=0, description="Votes' worth of belief that an annotator is like all the others."
    )
    rates_by: str = Field(
        "annotator",
        description="Who or what flips at a rate of its own: annotator; slot (of a judge: wins of "
        "the first and of the second answer are lost at different rates); or a key of extra, such "
        "as negative (answers that were not voted on may be liked).",
    )


class LabelEM(MarginScorer[LabelEMParams]):
    """Expectation maximisation of label reliability on the held-out margins of `noise_score`.

    Other votes on the same two answers count in the posterior.

    Scale and flip rate are fitted together, since a scale fitted to noisy labels first would hide
    the flips in it. The paper's M step on the policy is left out: retraining the heads with the
    posterior as weight ranked flips worse than plain training did. With `rates_by: slot` the noise
    is class-conditional; of implicit feedback `rates_by: negative` gives the posterior that an
    answer without a vote is a hidden positive, as 1 - posterior.
    """

    name = "label_em"
    purpose = "label noise"
    when = (
        "For a probability that each label is right, and for the reliability of "
        "annotators. Rates on real sets are loose: read the intervals of the audit."
    )
    summary = "posterior that the label is right; reliability of each annotator (LCPO / RE-PO)"
    reference = "LCPO / RE-PO, arXiv 2509.24159, Section 4"
    version = 2
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
                "fitted probability that a label of the annotator (or group) is not flipped",
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
        found = self.params.margins(pairs, context)
        if self.params.rates_by == SLOT:
            return self._by_slot(pairs, found, voting, context)
        # Who, or what else, the error rates belong to.
        names, annotator = self._owners(pairs)
        margins = some_of(found.margin, voting)
        noise = fit_annotators(margins, some_of(annotator, voting), self.params.prior_votes)
        # The scale of margins is fitted beside a common rate: one of its own for each annotator of
        # few votes would be fitted to chance.
        eta = noise.pooled.reliability
        scale = fit_label_noise(margins, eta).scale
        told = told_for(found.margin, voting, pairs, context)
        self._tell(context, noise, names, margins)

        def of(
            margin: NDArray[np.float64],
            votes: NDArray[np.float64],
            owner: NDArray[np.int64],
            known: NDArray[np.bool_],
        ) -> dict[str, NDArray[np.float64]]:
            own = noise.reliability[owner]
            right = posterior(expit(scale * margin + votes), own)
            # Where heads learn nothing, a posterior would be the fit's starting point.
            right = np.where(known, right, np.nan)
            return {"posterior": right, "reliability": own, "margin": scale * margin}

        known = voting & found.tells
        scores = in_blocks(context.workspace, of, found.margin, found.votes, annotator, known)
        tell_noise(told, scores["posterior"].to_numpy(), context)
        found.learnt.tell(context)
        return scores

    def _owners(self, pairs: pl.DataFrame) -> tuple[list[str], NDArray[np.int64]]:
        """Names, and each pair's position among them; pairs without one share the name "(none)"."""
        by = self.params.rates_by
        column = pairs["annotator"]
        if by != "annotator":
            column = select_in_batches(pairs, o=extra_value(by))["o"]
            if len(column) and column.null_count() == len(column):
                raise CurateError(
                    "no pair has this key in extra",
                    where="scorer 'label_em', rates_by",
                    found=repr(by),
                    expected=f"annotator, {SLOT}, or a key that 'curate inspect' shows",
                )
        column = column.fill_null("(none)")
        return column.unique().sort().to_list(), dense_numbers(column)

    def _by_slot(
        self,
        pairs: pl.DataFrame,
        found: HeldOut,
        voting: NDArray[np.bool_],
        context: Context,
    ) -> pl.DataFrame:
        """Flips of the first slot's wins and of the second slot's, each at its own rate."""
        path = extra_value(SLOT_KEY).cast(pl.Int64, strict=False)
        slot = select_in_batches(pairs, s=path)["s"].fill_null(0).to_numpy()
        # A pair whose slot is not known, or a tie, has no direction.
        known = voting & (slot > 0)
        if not known.any():
            raise CurateError(
                "no pair says in which slot its preferred answer stood",
                where="scorer 'label_em', rates_by: slot",
                expected=f"extra.{SLOT_KEY}, as formats with two slots and a label give it",
            )
        first = slot == 1
        noise = fit_asymmetric(found.margin[known], first[known])
        margins = noise.scale * found.margin
        right = np.where(known & found.tells, noise.right(found.margin, first), np.nan)
        lost = np.where(first, noise.first_lost, noise.second_lost)
        told = told_for(found.margin, voting, pairs, context)
        tell_noise(told, right, context)
        found.learnt.tell(context)
        # Which slot loses more is seen in the labels; how much each loses is the fit's alone.
        context.facts["fitted_first_slot_lost"] = round(noise.first_lost, 4)
        context.facts["fitted_second_slot_lost"] = round(noise.second_lost, 4)
        context.facts["calibration"] = calibrate(found.margin[known]).facts()
        reliability = np.where(known, 1.0 - lost, np.nan)
        return pl.DataFrame({"posterior": right, "reliability": reliability, "margin": margins})

    def _tell(
        self,
        context: Context,
        noise: AnnotatorNoise,
        names: list[str],
        margins: NDArray[np.float64],
    ) -> None:
        context.facts["scale"] = round(noise.pooled.scale, 4)
        context.facts["em_rounds"] = noise.rounds
        context.facts["calibration"] = calibrate(margins).facts()
        worst = np.argsort(noise.reliability, kind="stable")[:_SHOWN]
        context.facts["fitted_reliability"] = {
            names[k]: round(float(noise.reliability[k]), 4) for k in worst
        }
