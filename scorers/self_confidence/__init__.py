"""Noise-aware margin and label smoothing mask of self-refinement (SPA / Selfie)."""

from __future__ import annotations

import polars as pl
from pydantic import Field

from curate import HIGHER, LOWER, Column, Context, Input, Parameters, Scorer
from curate.scorers.self_confidence.mixed_logprobs import mixed_logprobs
from curate.scoring import MODEL_STATUS, Model, answer_logprobs, with_status


class SelfConfidenceParams(Parameters):
    """Parameters of `self_confidence`."""

    policy: Model = Field(description="Model in training.")
    reference: Model = Field(description="DPO's reference, of the same tokenizer.")
    beta: float = Field(0.1, gt=0, description="DPO's beta.")
    mix: float = Field(
        1.0, gt=0, description="Weight of the policy's logits; values above 1 extrapolate."
    )
    quantile: float = Field(
        0.1, gt=0, lt=1, description="Share of the latest margins whose labels are smoothed."
    )
    window: int = Field(50, ge=2, description="Number of latest margins.")
    alpha: float = Field(0.1, ge=0, lt=0.5, description="Label smoothing of a doubted label.")
    warm_up: float = Field(
        0.2, ge=0, le=1, description="Share of the data, from its start, without smoothing."
    )


class SelfConfidence(Scorer[SelfConfidenceParams]):
    """Compute the noise-aware margin and the smoothing mask of SPA's self-refinement.

    `margin` is beta times the log ratio of the mixed policy to the reference, chosen minus
    rejected, in nats. A label is `doubted` where its margin is at most `threshold`, the quantile of
    the latest margins in the order of the data; `label` is the training target, 1 or 1 - alpha
    where doubted after the warm-up (SPA, arXiv 2406.04412, sec. 4.2). The quantile is interpolated;
    SPA's code averages two order statistics. It always doubts that share of the labels, whatever
    the true noise is.

    Examples:
        >>> step = SelfConfidence(policy="org/policy", reference="org/base")
        >>> [column.name for column in step.columns()]
        ['margin', 'threshold', 'doubted', 'label', 'status']
    """

    name = "self_confidence"
    purpose = "label noise"
    when = "For training loops with label smoothing by confidence."
    summary = "noise-aware margin and smoothing mask by a running quantile (SPA / Selfie)"
    reference = "SPA, arXiv 2406.04412, sec. 4.2 (self-refinement with decoupled noise detection)"
    inputs = frozenset({Input.TEXTS, Input.MODEL})
    Params = SelfConfidenceParams

    def columns(self) -> tuple[Column, ...]:
        """Return the margin, the threshold, and the training target."""
        return (
            Column(
                "margin",
                "noise-aware margin of the label",
                "float",
                HIGHER,
                "nats",
                evidence="auto",
            ),
            Column("threshold", "quantile of the latest margins", unit="nats"),
            Column("doubted", "margin at or below the threshold", "bool", LOWER),
            Column(
                "label",
                "training target of the label: 1, or 1 - alpha where doubted after warm-up",
                "float",
                HIGHER,
            ),
            MODEL_STATUS,
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return margins of all pairs, and the mask in their order."""
        p = self.params
        mixed = mixed_logprobs(pairs, context, p.policy, p.reference, p.mix)
        base = answer_logprobs(pairs, context, p.reference)
        margin = p.beta * ((mixed.chosen - base.chosen) - (mixed.rejected - base.rejected))
        frame = with_status({"margin": margin}, mixed, base)
        # Over the preceding pairs, as in training, where the scale of margins drifts.
        threshold = pl.col("margin").rolling_quantile(
            p.quantile, "linear", window_size=p.window, min_samples=1
        )
        # SPA does not smooth labels during the warm-up.
        late = pl.int_range(pl.len()) >= round(p.warm_up * len(pairs))
        frame = frame.with_columns(threshold=threshold).with_columns(
            doubted=pl.col("margin") <= pl.col("threshold")
        )
        # Smoothed like DPO's label_smoothing: 1 - alpha for the label, alpha against it.
        target = pl.when(pl.col("doubted") & late).then(1.0 - p.alpha).otherwise(1.0)
        frame = frame.with_columns(label=pl.when(pl.col("margin").is_not_null()).then(target))
        return frame.select([c.name for c in self.columns()])
