"""The sample's true labels, compared with what a run concluded."""

from __future__ import annotations

import json
from dataclasses import dataclass

import polars as pl
from sklearn.metrics import roc_auc_score

from curate.sample import FLIPPED_IDS

POSTERIOR = "label_em.posterior"


@dataclass(frozen=True)
class SampleTruth:
    """How well a run recognised the labels that were flipped on purpose.

    Attributes:
        pairs: pairs whose label has a posterior, single votes and copies among them.
        flipped: labels among these that were flipped on purpose.
        suspected: labels with a posterior below one half.
        correctly_suspected: suspected labels that were flipped on purpose.
        auroc: probability that a flipped label is ranked as more suspicious than another one.
        estimated: the share of wrong labels that the run estimated, with its interval; None if it
            made no estimate.
    """

    pairs: int
    flipped: int
    suspected: int
    correctly_suspected: int
    auroc: float
    estimated: str | None = None

    @classmethod
    def from_scores(cls, scores: pl.DataFrame, estimated: str | None = None) -> SampleTruth:
        """Compare the scores of a run over the sample with the flipped ids.

        Args:
            scores: `pair_id` and the posterior of each pair.
            estimated: what the run estimated of the share of wrong labels.
        """
        ids = json.loads(FLIPPED_IDS.read_text(encoding="utf-8"))
        labels = scores.filter(pl.col(POSTERIOR).is_not_null()).select(
            pl.col(POSTERIOR).alias("right"), pl.col("pair_id").is_in(ids).alias("flipped")
        )
        suspected = labels.filter(pl.col("right") < 0.5)
        return cls(
            pairs=len(labels),
            flipped=int(labels["flipped"].sum()),
            suspected=len(suspected),
            correctly_suspected=int(suspected["flipped"].sum()),
            auroc=float(roc_auc_score(labels["flipped"], -labels["right"])),
            estimated=estimated,
        )

    @property
    def text(self) -> str:
        """The comparison in three short sentences."""
        precision = self.correctly_suspected / max(self.suspected, 1)
        base_rate = self.flipped / max(self.pairs, 1)
        return (
            f"{self.flipped:,} of {self.pairs:,} labels of this sample ({base_rate:.0%}) were "
            "flipped on purpose, beside the errors of the published ones. curate estimated "
            f"{self.estimated or 'no rate'}. Its drop list, {self.suspected:,} labels that are "
            f"more likely wrong than right, holds {self.correctly_suspected:,} of them (precision "
            f"{precision:.2f}; {base_rate:.2f} by chance); its ranking has an AUROC of "
            f"{self.auroc:.2f}."
        )
