"""What is known of each label beside the labels themselves: margins of other judges, and gold.

The pipeline fills a `LabelEvidence` for each scorer that asks for it, and hands it over as
`Context.evidence`; scorers that estimate a label's posterior read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
    """All that is known of the labels of a run's pairs, beside the labels.

    Attributes:
        sources: margins of judges, reward models and the like, one a column.
        judged: (pairs,) int8: 1 where a person found the label right, -1 where wrong, 0 where
            nobody judged (or the verdict was a tie); None without judged pairs.
    """

    sources: tuple[EvidenceSource, ...] = ()
    judged: NDArray[np.int8] | None = None

    def digest(self) -> str:
        """Hex hash of names, trust and all values: equal where the evidence is."""
        digest = blake2b(digest_size=16)
        for source in self.sources:
            digest.update(f"{source.name}\0{source.trust}\0".encode())
            digest.update(source.margin.tobytes())
        if self.judged is not None:
            digest.update(self.judged.tobytes())
        return digest.hexdigest()
