"""Artefacts in only one of the two answers, and how often that answer was preferred."""

from __future__ import annotations

import polars as pl

from curate.auditing.trait_share import TraitShare, binomial_share
from curate.data.hashes import select_in_batches
from curate.models.heads.out_of_fold import trainable_mask
from curate.models.text.artefacts import ARTEFACTS, artefact_direction


def audit_artefacts(pairs: pl.DataFrame) -> tuple[TraitShare, ...]:
    """Return for each artefact the pairs with it in only one answer, and how often that was
    chosen.
    """
    voted = pairs.filter(pl.Series(trainable_mask(pairs)))
    signs = select_in_batches(voted, *(artefact_direction(kind) for kind in ARTEFACTS))
    rows = []
    for kind in ARTEFACTS:
        sign = signs[kind].to_numpy()
        # An artefact in both answers cannot have decided the label.
        rows.append(binomial_share(kind.replace("_", " "), sign > 0, sign != 0))
    return tuple(rows)
