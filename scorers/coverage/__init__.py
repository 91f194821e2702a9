"""How well the data covers the prompts for which a model is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from pydantic import Field

from curate import HIGHER, LOWER, Column, Context, CurateError, Input, Parameters, Scorer
from curate.scorers.coverage.target_coverage import TargetCoverage as Covered
from curate.scorers.coverage.target_coverage import density_ratio, measure_coverage
from curate.scoring import take_rows
from curate.scoring.texts import EvaluationText, plain_texts, read_evaluation_texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Farthest targets that the facts list: what a reader can look through.
_MAX_TARGETS_LISTED = 10
# With fewer targets the distances to the k nearest say little about coverage.
_MIN_TARGETS = 10


class CoverageParams(Parameters):
    """Parameters of `coverage`."""

    targets: list[str] = Field(
        min_length=1,
        description="Files of target prompts: jsonl, json, csv, parquet, or txt by lines.",
    )
    column: str | None = Field(
        None, description="Their column of prompts; default prompt, question, instruction, ..."
    )
    k: int = Field(5, ge=1, description="Number of nearest targets for distances and balls.")


class Coverage(Scorer[CoverageParams]):
    """Measure the distance of each prompt to target prompts, and which targets the data misses.

    `distance` is the mean Euclidean distance to the k nearest targets, 0 to 2; `inside` counts
    targets in whose ball the prompt lies, where a ball reaches to the k-th nearest other target;
    `density_ratio` is the held-out log density ratio of targets to data, in nats. Facts:
    `coverage`, the share of targets with a prompt in their ball; `density`, mean `inside` / k;
    `precision`, the share of prompts in some ball (arXiv 2002.09797, sec. 3); `auroc` of a
    classifier that separates targets from data; `effective_share`, (sum w)^2 / (n sum w^2) for w =
    exp(density_ratio). Use it when the model is meant for known kinds of prompts (arXiv 2406.01462
    shows why coverage matters).

    Examples:
        >>> step = Coverage(targets=["targets.jsonl"], k=3)
        >>> {column.name: column.unit for column in step.columns()[:3]}
        {'distance': '0 to 2', 'inside': 'targets', 'density_ratio': 'nats'}
    """

    name = "coverage"
    purpose = "duplicates, diversity, coverage"
    when = "When the model is meant for a known kind of prompts. Needs a file of target prompts."
    summary = (
        "distance to target prompts, density ratio, and the targets that the data does not cover"
    )
    reference = "coverage and density, arXiv 2002.09797, sec. 3; why it matters, arXiv 2406.01462"
    inputs = frozenset({Input.EMBEDDINGS})
    single_answer_columns = ("distance", "inside", "density_ratio", "nearest", "status")
    Params = CoverageParams

    def columns(self) -> tuple[Column, ...]:
        """Return distance, balls, density ratio, and the nearest target."""
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
        """Return where each prompt is among the targets; each distinct prompt is searched once."""
        target_texts = self._read_targets()
        if context.embed is None:
            raise RuntimeError("coverage needs the run's embedder")
        targets = np.ascontiguousarray(
            context.embed(plain_texts(target_texts, "coverage, targets")), dtype=np.float32
        )
        used, prompt_index = context.features.distinct("prompt")
        vectors = take_rows(context.features.vectors, used)
        # A target is not its own neighbour, so n targets have n - 1 neighbours.
        coverage = measure_coverage(vectors, targets, min(self.params.k, len(target_texts) - 1))
        ratio, auroc = self._density_ratio(vectors, targets, prompt_index, pairs, context)
        self._record_coverage(coverage, ratio, target_texts, context)
        context.facts["auroc"] = round(auroc, 4)
        names = pl.Series(
            [target_texts[i].label() for i in coverage.nearest.tolist()], dtype=pl.String
        )
        return pl.DataFrame(
            {
                "distance": coverage.distance[prompt_index],
                "inside": coverage.inside[prompt_index],
                "density_ratio": ratio[prompt_index],
                "nearest": names.gather(prompt_index),
                "status": pl.repeat("ok", len(pairs), eager=True),
            }
        )

    def _read_targets(self) -> list[EvaluationText]:
        p = self.params
        target_texts = read_evaluation_texts(p.targets, p.column)
        if len(target_texts) < _MIN_TARGETS:
            raise CurateError(
                "too few target prompts to measure coverage",
                where=f"scorer 'coverage', targets {', '.join(p.targets)}",
                found=f"{len(target_texts)} prompts",
                expected=f"{_MIN_TARGETS} or more",
            )
        return target_texts

    def _density_ratio(
        self,
        vectors: NDArray[np.floating],
        targets: NDArray[np.float32],
        prompt_index: NDArray[np.integer],
        pairs: pl.DataFrame,
        context: Context,
    ) -> tuple[NDArray[np.float64], float]:
        """Return `density_ratio` of the prompts and the AUROC, in an order that no file decides."""
        # Prompts are sorted by their hash: folds must not depend on the order of the file.
        number = np.empty(len(vectors), dtype=np.int64)
        number[prompt_index] = context.prompt_groups(pairs)
        order = np.argsort(number, kind="stable")
        ratio, auroc = density_ratio(vectors[order], targets, context.rng(self.name))
        in_prompt_order = np.empty_like(ratio)
        in_prompt_order[order] = ratio
        return in_prompt_order, auroc

    def _record_coverage(
        self, coverage: Covered, ratio: Any, target_texts: list[EvaluationText], context: Context
    ) -> None:
        # Only ratios of weights matter below; the largest is 1, so that exp cannot overflow.
        weight = np.exp(ratio - ratio.max())
        k = min(self.params.k, len(target_texts) - 1)
        farthest = np.argsort(-coverage.target_distance, kind="stable")[:_MAX_TARGETS_LISTED]
        context.facts.update(
            {
                "targets": len(target_texts),
                "coverage": round(float(coverage.covered.mean()), 4),
                "density": round(float(coverage.inside.mean()) / k, 4),
                "precision": round(float((coverage.inside > 0).mean()), 4),
                "effective_share": round(
                    float(weight.sum() ** 2 / np.square(weight).sum()) / len(weight), 4
                ),
                "farthest_targets": [
                    {
                        "target": target_texts[i].label(),
                        "distance": round(float(coverage.target_distance[i]), 4),
                    }
                    for i in farthest
                ],
            }
        )
