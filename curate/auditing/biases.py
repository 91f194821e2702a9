"""Biases of the preferred answer besides content: length, position, format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import polars as pl

from curate.auditing.self_preference import audit_self_preference
from curate.auditing.trait_share import TraitShare, binomial_share
from curate.data.json_fields import SLOT_KEY, extra_value
from curate.data.json_result import JsonResult
from curate.data.table import messages_text
from curate.models.heads.out_of_fold import trainable_mask
from curate.models.text.style import STYLE_FEATURES, text_style

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class LabelBiases(JsonResult):
    """Traits besides content that predict the preferred answer.

    Attributes:
        preferred_has_more: how often the preferred answer has more of each trait of style.
        position: how often it stood in the first slot; None where slots are not recorded.
        by_own_judge: how often it was written by a judge, by its own votes and by those of others;
            None where no judge wrote answers.
    """

    optional_fields: ClassVar[frozenset[str]] = frozenset(("position", "by_own_judge"))

    preferred_has_more: tuple[TraitShare, ...]
    position: TraitShare | None = None
    by_own_judge: tuple[TraitShare, ...] | None = None

    @property
    def traits(self) -> tuple[TraitShare, ...]:
        """Return all shares, those of the position and of the judges last."""
        position = () if self.position is None else (self.position,)
        return (*self.preferred_has_more, *position, *(self.by_own_judge or ()))


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
    is_first = (slot == 1).fill_null(False).to_numpy()
    position = binomial_share("first slot", is_first, has_slot) if has_slot.any() else None
    return LabelBiases(traits, position, audit_self_preference(voted) or None)
