"""Artefacts that one answer alone has, and how often that answer was preferred."""

from __future__ import annotations

from typing import Any

import polars as pl

from curate.audit.biases import share
from curate.data.hashes import select_in_batches
from curate.models.heads.out_of_fold import trainable_mask
from curate.models.text.artefacts import ARTEFACTS, artefact_direction


def audit_artefacts(pairs: pl.DataFrame) -> list[dict[str, Any]]:
    """For each artefact the pairs in which one answer alone has it, and the share of chosen."""
    voted = pairs.filter(pl.Series(trainable_mask(pairs)))
    signs = select_in_batches(voted, *(artefact_direction(kind) for kind in ARTEFACTS))
    rows = []
    for kind in ARTEFACTS:
        sign = signs[kind].to_numpy()
        rows.append(share(kind.replace("_", " "), sign > 0, sign != 0))
    return rows
