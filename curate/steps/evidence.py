"""Evidence about each label besides the labels: margins of other judges, and gold verdicts.

The pipeline fills a `LabelEvidence` for each scorer that asks for it, and hands it over as
`Context.evidence`; scorers that estimate a label's posterior read it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK = 1 << 20
"""Values that are hashed at a time; they may lie in a mapped file."""
Trust = Literal["unknown", "strong"]
"""Prior belief in a source; `unknown` allows that it is useless, or wrong, on this dataset."""


@dataclass(frozen=True)
class EvidenceSource:
    """A preference margin that was not learned from the labels that it judges.

    Attributes:
        name: column it came from, such as `reward_model.margin` or `extra.score_gap`.
        margin: (pairs,) float64; above 0 it sides with the chosen answer, below 0 with the
            rejected one; 0 or NaN: it says nothing of the pair.
        trust: prior belief in the source.
    """

    name: str
    margin: NDArray[np.float64]
    trust: Trust = "unknown"


@dataclass(frozen=True)
class LabelEvidence:
    """Evidence about the labels of a run's pairs.

    Attributes:
        sources: margins of judges, reward models and the like, one a column.
        verdicts: (pairs,) int8: 1 where a person found the label right, -1 where wrong, 0 where
            nobody reviewed it (or the verdict was a tie); None without reviewed pairs.
    """

    sources: tuple[EvidenceSource, ...] = ()
    verdicts: NDArray[np.int8] | None = None

    def digest(self) -> str:
        """Return a hex hash of names, trust and all values."""
        columns: list[tuple[str, NDArray[np.float64 | np.int8]]] = [
            # Apart by NUL, so that name and trust do not run together.
            (f"{s.name}\0{s.trust}", s.margin)
            for s in self.sources
        ]
        verdicts = [] if self.verdicts is None else [("judged", self.verdicts)]
        digest = blake2b(digest_size=16)
        for name, values in (*columns, *verdicts):
            # With the length: else the end of one column could pass for the start of the next.
            digest.update(f"{name}\0{len(values)}\0".encode())
            for start in range(0, len(values), _BLOCK):
                digest.update(np.ascontiguousarray(values[start : start + _BLOCK]).tobytes())
        return digest.hexdigest()

    def take(self, rows: NDArray[np.int64]) -> LabelEvidence:
        """Return the evidence of the pairs with these row numbers."""
        sources = tuple(replace(s, margin=s.margin[rows]) for s in self.sources)
        return LabelEvidence(sources, None if self.verdicts is None else self.verdicts[rows])

    def flipped(self, flips: NDArray[np.bool_]) -> LabelEvidence:
        """Return the evidence for labels of which some are flipped: margins change their sign."""
        # int8, so that the verdicts keep their type.
        signs = np.where(flips, -1, 1).astype(np.int8)
        sources = tuple(replace(s, margin=s.margin * signs) for s in self.sources)
        return LabelEvidence(sources, None if self.verdicts is None else self.verdicts * signs)
