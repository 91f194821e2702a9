"""The findings of an audit, a field a section."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from curate.auditing.noise import NoiseFindings
from curate.models.heads.noise.estimate import NoiseEstimate

Findings = dict[str, Any]


@dataclass(frozen=True)
class AuditFindings:
    """What an audit found.

    Attributes:
        versions: versions of curate and its dependencies.
        seed: seed of folds and resamples.
        dataset: the dataset as commands name it; None for an object from Python.
        embedder: how texts were embedded.
        data: counts of the dataset.
        sampled: what the findings rest on where not all pairs were read; else None.
        noise: agreement of heads, accuracy of evidence, the noise rate.
        agreement: agreement of annotators.
        biases: traits of the preferred answers.
        artefacts: artefacts in only one of the two answers.
        style: a Bradley-Terry model of style; None with few pairs.
        structure: cycles and shared prompts.
        candidates: how much choice annotators had.
        feedback: users' feedback in prompts.
        gold: the rate by reviewed pairs; None without.
        ranking: ranking accuracy of a language model; None without one.
        disagreement: shares of flips, tastes and cycles; None if not requested.
        leakage: prompts shared with another dataset; None without one.
    """

    versions: dict[str, str]
    seed: int
    dataset: str | None
    embedder: Findings
    data: Findings
    sampled: str | None
    noise: NoiseFindings
    agreement: Findings
    biases: Findings
    artefacts: list[Findings]
    style: Findings | None
    structure: Findings
    candidates: Findings
    feedback: Findings
    gold: Findings | None = None
    ranking: Findings | None = None
    disagreement: Findings | None = None
    leakage: Findings | None = None

    @property
    def estimate(self) -> NoiseEstimate | None:
        """Return the noise rate, by reviewed pairs if they give one; None if nothing estimates
        it.
        """
        if self.gold is not None and self.gold["high"] is not None:
            names = {field.name for field in fields(NoiseEstimate)}
            return NoiseEstimate(**{k: v for k, v in self.gold.items() if k in names})
        return self.noise.estimate
