"""The findings of an audit, a field a section."""

from __future__ import annotations

from dataclasses import dataclass, field

from curate.auditing.agreement import AnnotatorAgreement
from curate.auditing.biases import LabelBiases
from curate.auditing.candidates import CandidateDiversity
from curate.auditing.disagreement import LabelKinds
from curate.auditing.feedback import UserFeedback
from curate.auditing.gold import GoldRate
from curate.auditing.noise import NoiseFindings
from curate.auditing.ranking import RankingAccuracy
from curate.auditing.structure import PreferenceStructure, PromptLeakage
from curate.auditing.style import StyleEffects
from curate.auditing.trait_share import TraitShare
from curate.data.json_result import JsonResult
from curate.models.embed.report import EmbeddingReport
from curate.models.heads.noise.estimate import NoiseEstimate
from curate.read.inspection import DatasetSummary


@dataclass(frozen=True, kw_only=True)
class AuditFindings(JsonResult):
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
    dataset: str | None = None
    embedder: EmbeddingReport = field(default_factory=EmbeddingReport)
    data: DatasetSummary
    sampled: str | None = None
    noise: NoiseFindings
    agreement: AnnotatorAgreement
    biases: LabelBiases
    artefacts: tuple[TraitShare, ...]
    style: StyleEffects | None
    structure: PreferenceStructure
    candidates: CandidateDiversity
    feedback: UserFeedback
    gold: GoldRate | None = None
    ranking: RankingAccuracy | None = None
    disagreement: LabelKinds | None = None
    leakage: PromptLeakage | None = None

    @property
    def estimate(self) -> NoiseEstimate | None:
        """Return the noise rate, by reviewed pairs if they give one; None if nothing estimates
        it.
        """
        if self.gold is not None and self.gold.high is not None:
            return self.gold
        return self.noise.estimate
