"""LCPO / RE-PO: the posterior that each label is right, and how reliable each annotator is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import Field

from curate import HIGHER, Column, Context, CurateError, Standing
from curate.scorers.label_em.group_rates import GroupRates, group_rates, logits_without_label
from curate.scorers.label_em.slot_rates import slot_rates
from curate.scoring import (
    STATUS,
    MarginParams,
    MarginScorer,
    extra_value,
    select_in_batches,
    vote_mask,
)
from curate.scoring.heads import LabelPosterior, record_posterior
from curate.scoring.texts import SLOT_KEY, dense_ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The manifest stays readable with thousands of annotators.
_MAX_GROUPS_LISTED = 50
SLOT = "slot"


class LabelEMParams(MarginParams):
    """Parameters of `label_em`."""

    prior_votes: float = Field(
        20.0,
        ge=0,
        description="Strength, in votes, of the prior that an annotator has the common rate.",
    )
    rates_by: str = Field(
        "annotator",
        description="What flips at its own rate: annotator; slot (for a judge: wins of the first "
        "and of the second answer flip at different rates); or a key of extra, such as negative "
        "(answers without a vote may be liked).",
    )


class LabelEM(MarginScorer[LabelEMParams]):
    """Estimate the posterior of each label with a flip rate for each annotator or group.

    `posterior` is the probability that the label is right, 0 to 1; `reliability` the probability
    that a label of the annotator is not flipped, 0.5 to 1. Each rate is averaged over its
    posterior, shrunk to the common rate; LCPO / RE-PO (arXiv 2509.24159, sec. 4) maximise it by EM
    instead. The paper's M step on the policy is left out: retraining the heads with the posterior
    as weight ranked flips worse. With `rates_by: slot` the noise is class-conditional. With
    `rates_by: negative` (implicit feedback) 1 - posterior is the probability of a hidden positive.
    Rates on real data are loose: read the intervals of `curate audit`.

    Examples:
        >>> [column.name for column in LabelEM(rates_by="annotator").columns()]
        ['posterior', 'margin', 'heads', 'votes', 'evidence', 'reliability', 'status']
    """

    name = "label_em"
    purpose = "label noise"
    standing = Standing.RECOMMENDED
    when = (
        "For a probability that each label is right, and for the reliability of annotators. "
        "Rates on real datasets are imprecise: read the intervals of the audit."
    )
    summary = "posterior that the label is right; reliability of each annotator (LCPO / RE-PO)"
    reference = "LCPO / RE-PO, arXiv 2509.24159, Section 4"
    version = 5
    Params = LabelEMParams

    def columns(self) -> tuple[Column, ...]:
        """Return the posterior, its grounds, and the reliability."""
        reliability = Column(
            "reliability",
            "probability that a label of the annotator (or group) is not flipped",
            "float",
            HIGHER,
            "0.5 to 1",
        )
        return (*self.posterior_columns, reliability, STATUS)

    def held_out_scores(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return posteriors of all pairs; ties and identical answers get none."""
        posterior, voting = self.params.posterior(pairs, context), vote_mask(pairs, context)
        by_slot = self.params.rates_by == SLOT
        rates = self._slot_rates if by_slot else self._group_rates
        label_right, reliability = rates(pairs, posterior, voting, context)
        record_posterior(posterior, pairs, context, label_right)
        names = [column.name for column in self.posterior_columns]
        terms = self.posterior_terms(posterior, context)
        values = dict(zip(names, (label_right, *terms), strict=True))
        return pl.DataFrame(values | {"reliability": reliability})

    def _group_rates(
        self,
        pairs: pl.DataFrame,
        posterior: LabelPosterior,
        voting: NDArray[np.bool_],
        context: Context,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return posterior and reliability, (pairs,) each, by annotator or key of extra."""
        names, group = self._groups(pairs)
        labels, averaged = posterior.observations, posterior.averaged
        logits = logits_without_label(labels, averaged)
        rates = group_rates(
            logits, group[voting], labels.verdicts, averaged.rate, self.params.prior_votes
        )
        right = posterior.right
        # Rates by trait from reviewed pairs already include the annotator as a trait.
        if len(names) > 1 and posterior.rates is None:
            right = np.full(len(pairs), np.nan)
            right[voting] = rates.label_right(logits, group[voting], labels.verdicts)
        _record_reliability(rates, names, context)
        # A group without any vote has the common rate.
        reliability = np.full(len(names), 1.0 - averaged.rate)
        reliability[: len(rates.reliability)] = rates.reliability
        return right, reliability[group]

    def _groups(self, pairs: pl.DataFrame) -> tuple[list[str], NDArray[np.int64]]:
        """Return names, and each pair's index among them; pairs without one share "(none)"."""
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
        return column.unique().sort().to_list(), dense_ranks(column)

    def _slot_rates(
        self,
        pairs: pl.DataFrame,
        posterior: LabelPosterior,
        voting: NDArray[np.bool_],
        context: Context,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return posterior and reliability, (pairs,) each, with a flip rate for each slot.

        A pair whose slot is not known keeps the posterior of the common rate.
        """
        path = extra_value(SLOT_KEY).cast(pl.Int64, strict=False)
        slot = select_in_batches(pairs, s=path)["s"].fill_null(0).to_numpy()
        has_slot = voting & (slot > 0)
        if not has_slot.any():
            raise CurateError(
                "no pair has the slot of its chosen answer",
                where="scorer 'label_em', rates_by: slot",
                expected=f"extra.{SLOT_KEY}, as formats with two slots and a label give it",
            )
        logits = logits_without_label(posterior.observations, posterior.averaged)
        logits, in_first_slot = logits[has_slot[voting]], slot[has_slot] == 1
        rates = slot_rates(logits, in_first_slot)
        unjudged = posterior.verdicts[has_slot] == 0
        right = posterior.right.copy()
        right[has_slot] = np.where(
            unjudged, rates.label_right(logits, in_first_slot), right[has_slot]
        )
        # The labels show which slot loses more; how much each loses depends on the model.
        context.facts["fitted_first_slot_lost"] = round(rates.first_lost, 4)
        context.facts["fitted_second_slot_lost"] = round(rates.second_lost, 4)
        reliability = np.full(len(pairs), np.nan)
        reliability[has_slot] = 1.0 - np.where(in_first_slot, rates.first_lost, rates.second_lost)
        return right, reliability


def _record_reliability(rates: GroupRates, names: list[str], context: Context) -> None:
    """Record the least reliable groups among the facts."""
    reliability = rates.reliability
    worst = np.argsort(reliability, kind="stable")[:_MAX_GROUPS_LISTED]
    context.facts["fitted_reliability"] = {names[k]: round(float(reliability[k]), 4) for k in worst}
