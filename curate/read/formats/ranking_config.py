"""How pairs are made from rankings, which the user decides."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from curate.data.strict_model import StrictModel


class RankingRule(StrictModel):
    """Which pairs are made of a ranking; the strength of a pair is the difference of its scores."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pairs: Literal["best_worst", "best_random", "best_rest", "all"] = Field(
        "best_worst",
        description="best_worst: one pair a prompt; best_random: the best and one of the others; "
        "best_rest: the best with each other answer; all: every two answers. Chosen among the "
        "pairs that meet all conditions below.",
    )
    min_gap: float = Field(
        0.0, ge=0, description="Pairs whose scores differ by less than this are not made."
    )
    chosen_min: float | None = Field(None, description="Smallest score of a chosen answer.")
    rejected_max: float | None = Field(None, description="Largest score of a rejected answer.")
    max_length_ratio: float | None = Field(
        None,
        ge=1,
        description="Pairs whose longer answer has more than this many times the characters of "
        "the shorter one are not made; 1.2 gives pairs of similar length.",
    )
    max_pairs: int | None = Field(
        None, ge=1, description="Most pairs of a prompt; more are drawn by the seed."
    )
    weights: dict[str, float] = Field(
        default_factory=lambda: {"helpfulness": 1.0},
        description="Of attributes, where answers are rated by several: the score of an answer is "
        "the weighted sum.",
    )
    score: Literal["aspects", "overall"] = Field(
        "aspects",
        description="Of UltraFeedback: the mean of a critic's ratings by aspect, or its overall "
        "score, which is 10 where some critics meant 1.",
    )
    seed: int = Field(
        0, ge=0, description="Of best_random, of max_pairs, and of the choice among equal scores."
    )

    def conditions(self) -> list[str]:
        """Return the names of the conditions that are set, besides `min_gap`."""
        names = ("chosen_min", "rejected_max", "max_length_ratio")
        return [name for name in names if getattr(self, name) is not None]
