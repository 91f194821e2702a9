"""Whether held-out heads learn anything from the labels: the one place that decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curate.data.json_result import JsonResult
from curate.data.json_types import JsonObject
from curate.models.heads.noise.pair_agreement import PairAgreement, pair_agreement
from curate.steps.context import Context
from curate.steps.findings import NOTHING_LEARNT, LearnabilityVerdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

_P_VALUE = 0.05


@dataclass(frozen=True)
class LearnabilityTest(JsonResult):
    """How often held-out heads side with the labels.

    Attributes:
        agreement: over all pairs.
        with_labels: prompts on most of whose pairs heads side with the labels.
        against_labels: prompts on most of whose pairs they do not.
        p_value: that chance does as much, by the one-sided binomial test over prompts or by
            turning the labels of prompts (`sign_flip_p_value`).
    """

    agreement: PairAgreement
    with_labels: int
    against_labels: int
    p_value: float

    @property
    def ok(self) -> bool:
        """Return whether heads agree with the labels beyond chance."""
        return self.p_value < _P_VALUE

    @property
    def text(self) -> str:
        """Return the test as a sentence."""
        if not self.with_labels + self.against_labels:
            return "held-out heads agree with no label more than with its opposite"
        return (
            f"held-out heads agree with {self.agreement.text}; p = {self.p_value:.2g} by a "
            "sign test over prompts"
        )

    @property
    def warning(self) -> str:
        """Return the warning that console, card, audit and report show if nothing is learned."""
        return LearnabilityVerdict(self.ok, self.text).warning

    def to_json(self) -> JsonObject:
        """Return the test as plain data, with its sentence."""
        return super().to_json() | {"ok": self.ok, "text": self.text}

    def record(self, context: Context) -> None:
        """Put what heads learnt into a step's facts, and a warning where it is nothing."""
        context.facts["learnt"] = self.to_json()
        if not self.ok:
            context.warnings.append(self.warning)


def mask_unlearnable_status(
    status: pl.Series, unlearnable: pl.Series, why: str = NOTHING_LEARNT
) -> pl.Series:
    """Return a status that says of some pairs that heads learn nothing, where it was "ok"."""
    masked = pl.when(unlearnable & (status == "ok")).then(pl.lit(why)).otherwise(status)
    return pl.select(masked.alias("status")).to_series()


def assess_learnability(
    margins: NDArray[np.float64],
    groups: NDArray[np.int64] | None = None,
    p_value: float | None = None,
) -> LearnabilityTest:
    """Return the agreement of held-out margins with the labels.

    In the test a prompt counts once, by the sign of the sum of its margins' signs: votes on one
    prompt are no independent evidence. The share that is reported is one of pairs.

    Args:
        margins: (votes,) held-out margins of the observed labels; ties left out.
        groups: (votes,) number of each vote's prompt, from 0 on; default each its own.
        p_value: of another test over prompts; default the binomial test, which is right only for
            margins in which nothing was chosen by the pair's own label.
    """
    agreement = pair_agreement(margins, groups)
    signs = np.sign(margins)
    # A missing margin abstains: sign(NaN) would spread through the sums below.
    signs[~np.isfinite(margins)] = 0.0
    if groups is not None:
        # The majority of a prompt's votes: pairs of one prompt rise and fall together.
        signs = np.sign(np.bincount(groups, weights=signs))
    agree, against = int((signs > 0).sum()), int((signs < 0).sum())
    if not agree + against:
        return LearnabilityTest(agreement, 0, 0, 1.0)
    if p_value is not None:
        return LearnabilityTest(agreement, agree, against, p_value)
    from scipy.stats import binomtest  # half a second, which a run without heads need not wait

    test = binomtest(agree, agree + against, alternative="greater")
    return LearnabilityTest(agreement, agree, against, float(test.pvalue))
