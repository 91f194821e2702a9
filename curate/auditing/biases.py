"""Biases of the preferred answer besides content: length, position, format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from scipy.stats import binomtest

from curate.data.json_fields import SLOT_KEY, extra_value
from curate.data.table import messages_text
from curate.models.heads.out_of_fold import trainable_mask
from curate.models.text.style import STYLE_FEATURES, text_style

if TYPE_CHECKING:
    from numpy.typing import NDArray


def audit_biases(pairs: pl.DataFrame) -> dict[str, Any]:
    """Return how often the preferred answer has more of each trait, or stood in the first slot."""
    voted = pairs.filter(pl.Series(trainable_mask(pairs)))
    texts = [voted.select(messages_text(c)).to_series().to_list() for c in ("chosen", "rejected")]
    chosen, rejected = (text_style(t) for t in texts)
    traits = [
        # Pairs that are equal in a trait say nothing of its direction.
        binomial_share(name, chosen[:, i] > rejected[:, i], chosen[:, i] != rejected[:, i])
        for i, name in enumerate(STYLE_FEATURES)
    ]
    findings: dict[str, Any] = {"preferred_has_more": traits}
    slot = voted.select(s=extra_value(SLOT_KEY).cast(pl.Float64, strict=False))["s"]
    has_slot = slot.is_not_null().to_numpy()
    if has_slot.any():
        findings["position"] = binomial_share(
            "first slot", (slot == 1).fill_null(False).to_numpy(), has_slot
        )
    return findings


def binomial_share(
    name: str, has_trait: NDArray[np.bool_], counted: NDArray[np.bool_]
) -> dict[str, Any]:
    """Return the share among the counted pairs, with the 95 % interval of a binomial
    (Clopper-Pearson).
    """
    count, total = int((has_trait & counted).sum()), int(counted.sum())
    if total == 0:
        return {"trait": name, "pairs": 0, "share": None, "low": None, "high": None}
    # Exact limits: normal ones of a few pairs would reach beyond 0 and 1.
    interval = binomtest(count, total).proportion_ci()
    return {
        "trait": name,
        "pairs": total,
        "share": count / total,
        "low": float(interval.low),
        "high": float(interval.high),
    }
