"""How the data covers the prompts for which a model is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from pydantic import Field

from curate import HIGHER, LOWER, Column, Context, CurateError, Parameters, Scorer
from curate.models.embed.neighbours import take_rows
from curate.models.embed.target_coverage import TargetCoverage as Covered
from curate.models.embed.target_coverage import density_ratio, measure_coverage
from curate.models.text.evaluation_texts import EvaluationText, read_evaluation_texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Target prompts that the report names as bare.
_SHOWN = 10
# Fewer known pairs give no scale.
_FEWEST = 10


class CoverageParams(Parameters):
    """Parameters of `coverage`."""

    targets: list[str] = Field(
        min_length=1,
        description="Files of target prompts: jsonl, json, csv, parquet, or txt by lines.",
    )
    column: str | None = Field(
        None, description="Their column of prompts; default prompt, question, instruction, ..."
    )
    k: int = Field(5, ge=1, description="Nearest targets that make distance and balls.")


class Coverage(Scorer[CoverageParams]):
    """How near each pair's prompt lies to a set of target prompts, and what the data leaves bare.

    Facts: `coverage`, the share of targets in whose ball (up to the k-th nearest other target) a
    prompt of the data lies; `density`, the mean number of balls around a prompt over k;
    `precision`, the share of prompts inside some ball; `auroc` of a classifier that tells targets
    from data; `effective_share`, (sum w)^2 / (n sum w^2) of the weights w = exp(density_ratio); the
    targets farthest from all prompts. DPO on given pairs needs them to cover where the policy goes
    (2406.01462); `on_policy` asks the policy itself.
    """

    name = "coverage"
    purpose = "duplicates, diversity, coverage"
    when = "When the model is meant for a known kind of prompts. Needs a file of target prompts."
    summary = "nearness to target prompts, density ratio, and which targets the data leaves bare"
    reference = "coverage and density, arXiv 2002.09797, sec. 3; why it matters, arXiv 2406.01462"
    needs_embeddings = True
    reads_texts = False
    Params = CoverageParams

    def columns(self) -> tuple[Column, ...]:
        """Distance, balls, density ratio, and the nearest target."""
        return (
            Column("distance", "mean distance to the k nearest targets", "float", LOWER, "0 to 2"),
            Column("inside", "targets in whose ball the prompt lies", "int", HIGHER, "targets"),
            Column(
                "density_ratio",
                "log density among targets minus log density in the data, held out",
                "float",
                HIGHER,
                "nats",
            ),
            Column("nearest", "file, row and beginning of the nearest target", "text"),
            Column("status", "ok", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Where all pairs' prompts lie; each distinct prompt is looked at once."""
        known = self._targets()
        if context.embed is None:
            raise RuntimeError("coverage needs the run's embedder")
        targets = np.ascontiguousarray(context.embed([t.text for t in known]), dtype=np.float32)
        used, place = context.features.distinct("prompt")
        vectors = take_rows(context.features.vectors, used)
        # A target is not its own neighbour: of n targets there are n - 1 others.
        found = measure_coverage(vectors, targets, min(self.params.k, len(known) - 1))
        ratio, auroc = self._density_ratio(vectors, targets, place, pairs, context)
        self._tell(found, ratio, known, context)
        context.facts["auroc"] = round(auroc, 4)
        names = pl.Series([known[i].label() for i in found.nearest.tolist()], dtype=pl.String)
        return pl.DataFrame(
            {
                "distance": found.distance[place],
                "inside": found.inside[place],
                "density_ratio": ratio[place],
                "nearest": names.gather(place),
                "status": pl.repeat("ok", len(pairs), eager=True),
            }
        )

    def _targets(self) -> list[EvaluationText]:
        p = self.params
        known = read_evaluation_texts(p.targets, p.column)
        if len(known) < _FEWEST:
            raise CurateError(
                "too few target prompts to say what they cover",
                where=f"scorer 'coverage', targets {', '.join(p.targets)}",
                found=f"{len(known)} prompts",
                expected=f"{_FEWEST} or more",
            )
        return known

    def _density_ratio(
        self,
        vectors: NDArray[np.floating],
        targets: NDArray[np.float32],
        place: NDArray[np.integer],
        pairs: pl.DataFrame,
        context: Context,
    ) -> tuple[NDArray[np.float64], float]:
        """`density_ratio` of prompts in an order that no file decides."""
        number = np.empty(len(vectors), dtype=np.int64)
        number[place] = context.prompt_groups(pairs)
        order = np.argsort(number, kind="stable")
        ratio, auroc = density_ratio(vectors[order], targets, context.rng(self.name))
        in_place = np.empty_like(ratio)
        in_place[order] = ratio
        return in_place, auroc

    def _tell(
        self, found: Covered, ratio: Any, known: list[EvaluationText], context: Context
    ) -> None:
        # Only ratios of weights count below; the largest is set to 1 lest exp overflows.
        weight = np.exp(ratio - ratio.max())
        k = min(self.params.k, len(known) - 1)
        bare = np.argsort(-found.target_distance, kind="stable")[:_SHOWN]
        context.facts |= {
            "targets": len(known),
            "coverage": round(float(found.covered.mean()), 4),
            "density": round(float(found.inside.mean()) / k, 4),
            "precision": round(float((found.inside > 0).mean()), 4),
            "effective_share": round(
                float(weight.sum() ** 2 / np.square(weight).sum()) / len(weight), 4
            ),
            "farthest_targets": [
                {"target": known[i].label(), "distance": round(float(found.target_distance[i]), 4)}
                for i in bare
            ],
        }
