"""Biases of the preferred answer besides content: length, position, format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import polars as pl
from scipy.stats import binomtest

from curate.data.json_fields import SLOT_KEY, extra_value
from curate.data.json_result import JsonResult
from curate.data.table import messages_text
from curate.models.heads.out_of_fold import trainable_mask
from curate.models.text.style import STYLE_FEATURES, text_style

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class TraitShare(JsonResult):
    """How often the preferred answer has a trait, among the pairs whose answers differ in it.

    Attributes:
        trait: name of the trait.
        pairs: pairs that are counted.
        share: share of them; None, as its limits, without any.
        low: lower end of the exact 95 % interval.
        high: upper end.
    """

    trait: str
    pairs: int
    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class LabelBiases(JsonResult):
    """Traits besides content that predict the preferred answer.

    Attributes:
        preferred_has_more: how often the preferred answer has more of each trait of style.
        position: how often it stood in the first slot; None where slots are not recorded.
    """

    optional_fields: ClassVar[frozenset[str]] = frozenset(("position",))

    preferred_has_more: tuple[TraitShare, ...]
    position: TraitShare | None = None

    @property
    def traits(self) -> tuple[TraitShare, ...]:
        """Return all shares, that of the position last."""
        position = () if self.position is None else (self.position,)
        return (*self.preferred_has_more, *position)


def audit_biases(pairs: pl.DataFrame) -> LabelBiases:
    """Return how often the preferred answer has more of each trait, or stood in the first slot."""
    voted = pairs.filter(pl.Series(trainable_mask(pairs)))
    texts = [voted.select(messages_text(c)).to_series().to_list() for c in ("chosen", "rejected")]
    chosen, rejected = (text_style(t) for t in texts)
    traits = tuple(
        # Pairs that are equal in a trait say nothing of its direction.
        binomial_share(name, chosen[:, i] > rejected[:, i], chosen[:, i] != rejected[:, i])
        for i, name in enumerate(STYLE_FEATURES)
    )
    slot = voted.select(s=extra_value(SLOT_KEY).cast(pl.Float64, strict=False))["s"]
    has_slot = slot.is_not_null().to_numpy()
    if not has_slot.any():
        return LabelBiases(traits)
    is_first = (slot == 1).fill_null(False).to_numpy()
    return LabelBiases(traits, binomial_share("first slot", is_first, has_slot))


def binomial_share(
    name: str, has_trait: NDArray[np.bool_], counted: NDArray[np.bool_]
) -> TraitShare:
    """Return the share among the counted pairs, with the 95 % interval of a binomial
    (Clopper-Pearson).
    """
    count, total = int((has_trait & counted).sum()), int(counted.sum())
    if total == 0:
        return TraitShare(name, 0, None, None, None)
    # Exact limits: normal ones of a few pairs would reach beyond 0 and 1.
    interval = binomtest(count, total).proportion_ci()
    return TraitShare(name, total, count / total, float(interval.low), float(interval.high))
