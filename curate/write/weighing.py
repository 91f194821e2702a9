"""How training weights and label probabilities reach a trainer: as rows, as columns, or not."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Literal

from curate.errors import CurateError
from curate.write.draws import MOST
from curate.write.exports.base import Carrier, Export

SoftLabels = Literal["sampled", "signed"]


@dataclass(frozen=True)
class Weighing:
    """What is done with weights and label probabilities.

    Attributes:
        carrier: "rows": pairs are written as often as they weigh; "column": the columns `weight`
            and `label_probability`; "none": nothing.
        soft_labels: of rows; "sampled": the label with its probability p, the other one with 1 - p;
            "signed": the likelier label, with weight |2p - 1|.
        copies: draws of rows to train on, one for each epoch.
        seed: of the draws.
    """

    carrier: Carrier = "rows"
    soft_labels: SoftLabels = "sampled"
    copies: int = 1
    seed: int = 0

    @property
    def once(self) -> Weighing:
        """Return these settings for a single draw."""
        return replace(self, copies=1)


def resolve_weighing(
    form: Export,
    carrier: Carrier | None,
    soft_labels: SoftLabels = "sampled",
    copies: int = 1,
    seed: int = 0,
    where: str = "output.weights",
) -> Weighing:
    """Return the settings for a form.

    Args:
        form: the export.
        carrier: as asked for; None: the first of the form's.
        soft_labels: see `Weighing`.
        copies: see `Weighing`.
        seed: of the draws.
        where: the carrier is asked for.

    Raises:
        CurateError: nothing reads such columns in this form, or copies of what is not drawn.
    """
    chosen = form.carriers[0] if carrier is None else carrier
    if chosen not in form.carriers:
        raise CurateError(
            f"no trainer reads weights from the format '{form.name}'",
            where=where,
            found=chosen,
            expected=" or ".join(form.carriers),
            fix="omit the setting (rows give the same expected loss), or use another format",
        )
    if copies > 1 and chosen != "rows":
        raise CurateError(
            "copies need weights: rows",
            where=where,
            found=f"{chosen} with copies: {copies}",
            fix="set weights: rows, or omit copies",
        )
    return Weighing(chosen, soft_labels, copies, seed)


@dataclass(frozen=True)
class WeightCounts:
    """How the kept pairs are written.

    Attributes:
        carrier: see `Weighing`.
        soft_labels: see `Weighing`; None where labels have no probabilities.
        copies: see `Weighing`.
        weight: the sum of the weights, of w |2p - 1| where labels are signed: rows of one draw.
        pairs: kept by the filters.
        undrawn: of these, the pairs without a row.
        rows: that are written; a form with several rows a pair, or fewer, starts from these.
        flipped: of these, rows with the other label.
        clipped: pairs of a weight above `MOST`.
    """

    carrier: Carrier
    soft_labels: SoftLabels | None
    copies: int
    weight: float
    pairs: int
    undrawn: int
    rows: int
    flipped: int
    clipped: int

    @classmethod
    def from_pairs(
        cls, settings: Weighing, soft_labels: SoftLabels | None, weight: float, pairs: int
    ) -> WeightCounts:
        """Return the counts of pairs that are written once each."""
        carrier, copies = settings.carrier, settings.copies
        return cls(carrier, soft_labels, copies, weight, pairs, 0, pairs, 0, 0)

    def __add__(self, other: WeightCounts) -> WeightCounts:
        names = ("weight", "pairs", "undrawn", "rows", "flipped", "clipped")
        sums = {name: getattr(self, name) + getattr(other, name) for name in names}
        return replace(self, **sums)

    def to_json(self) -> dict[str, str | int | float | None]:
        """Return the counts as plain data."""
        return asdict(self)

    @property
    def is_soft(self) -> bool:
        """Return whether the trainer gets the probability of each label."""
        return self.soft_labels is not None and self.carrier != "none"

    @property
    def text(self) -> str:
        """Return a one-line summary."""
        start = f"{self.pairs:,} pairs of total weight {self.weight:,.1f} are written"
        if self.carrier == "column":
            return f"{start} with their weights as columns"
        if self.carrier == "none":
            return f"{start} without their weights"
        draws = "1 draw" if self.copies == 1 else f"{self.copies} draws"
        flips = f"; {self.flipped:,} rows have the other label" if self.flipped else ""
        return f"{start} as {self.rows:,} rows ({draws}); {self.undrawn:,} have no row{flips}"

    @property
    def warnings(self) -> list[str]:
        """Return warnings about the weights."""
        notes = []
        if self.clipped:
            notes.append(f"{self.clipped:,} pairs weigh more than {MOST}, and count as {MOST}")
        if self.pairs and not self.rows:
            notes.append("no row is written: all weights are nearly 0")
        return notes
