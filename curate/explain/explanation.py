"""What `curate explain` finds, as objects and as explanation.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from curate.data.json_result import JsonResult, to_plain
from curate.data.json_types import Json, JsonObject, parse_json
from curate.explain.contrasts import Contrast
from curate.models.embed.autoencoder import SAESettings
from curate.models.embed.report import EmbeddingReport

_EXAMPLE_KEYS = {"answer_with": "with", "answer_without": "without"}
"""Keys of an example in a file."""


@dataclass(frozen=True)
class GroupWinRate(JsonResult):
    """How often the answer with a feature wins among the pairs of one annotator or source.

    Attributes:
        name: name of the annotator or source.
        pairs: its pairs in which the feature fires.
        win_rate: share of them in which the answer with the feature is preferred.
    """

    name: str
    pairs: int
    win_rate: float


@dataclass(frozen=True)
class FeatureExample(JsonResult):
    """A pair in which a feature fires.

    Attributes:
        pair_id: id of the pair.
        prompt: beginning of the prompt.
        answer_with: beginning of the answer with the feature.
        answer_without: beginning of the other one.
        preferred: whether the answer with the feature is preferred.
        activation: activation of the feature, negative where the rejected answer has it.
    """

    pair_id: str
    prompt: str
    answer_with: str
    answer_without: str
    preferred: bool
    activation: float

    def to_json(self) -> JsonObject:
        """Return the example as plain data."""
        return {_EXAMPLE_KEYS.get(name, name): value for name, value in super().to_json().items()}


@dataclass(frozen=True)
class ExplainedFeature(JsonResult):
    """A feature of answers, and how the vote goes with it.

    Attributes:
        feature: `f` and its number, the column of features.parquet.
        words: words of the answers with it.
        words_without: words of the answers without it.
        fires: votes in which it fires.
        share: share of the votes.
        effect: change of the log odds of being chosen for a standard deviation, at fixed length.
        low: lower end of its 95 % interval.
        high: upper end.
        p_value: p value of the effect, after Bonferroni.
        significant: whether it is below 0.05.
        length_effect: effect of length beside it.
        length_correlation: cosine of the feature and the difference of lengths.
        win_rate: how often the answer with it is preferred.
        win_rate_low: lower end of the exact 95 % interval.
        win_rate_high: upper end.
        by_source: the same by source, where there are several.
        by_annotator: the same by annotator.
        examples: pairs of largest activation.
        name: its name by a language model; None without one, or where it found none.
    """

    optional_fields: ClassVar[frozenset[str]] = frozenset(("name",))

    feature: str
    words: list[str]
    words_without: list[str]
    fires: int
    share: float
    effect: float
    low: float
    high: float
    p_value: float
    significant: bool
    length_effect: float
    length_correlation: float
    win_rate: float
    win_rate_low: float
    win_rate_high: float
    by_source: tuple[GroupWinRate, ...]
    by_annotator: tuple[GroupWinRate, ...]
    examples: tuple[FeatureExample, ...]
    name: str | None = None


@dataclass(frozen=True)
class AutoencoderFit(JsonResult):
    """How the autoencoder was fitted.

    Attributes:
        settings: its settings.
        epochs: passes over the pairs.
        explained: share of the held-out differences that it reconstructs.
    """

    settings: SAESettings
    epochs: int
    explained: float

    def to_json(self) -> JsonObject:
        """Return the settings, with the passes that were made, and how well it reconstructs."""
        fit: JsonObject = {name: to_plain(value) for name, value in vars(self.settings).items()}
        return fit | {"epochs": self.epochs, "explained": self.explained}


@dataclass(frozen=True)
class Explanation(JsonResult):
    """Which features of an answer the labels of a dataset prefer.

    Attributes:
        versions: versions of curate and its dependencies.
        seed: seed of the autoencoder.
        embedder: how texts were embedded.
        notes: what the user should know of how the data were read.
        pairs: pairs of the dataset.
        votes: pairs with a preferred answer.
        autoencoder: how the autoencoder was fitted.
        features: the features, the most significant first.
        contrasts: words, openings and traits of style that the votes go with over many prompts, the
            surest first.
        judge: what the language model that names them reports; None without one.
    """

    versions: dict[str, str]
    seed: int
    embedder: EmbeddingReport
    notes: list[str]
    pairs: int
    votes: int
    autoencoder: AutoencoderFit
    features: tuple[ExplainedFeature, ...]
    contrasts: tuple[Contrast, ...] = ()
    judge: JsonObject | None = None

    def to_json(self) -> JsonObject:
        """Return the explanation as plain data; names are there where a model was asked."""
        values = super().to_json()
        del values["judge"]
        if self.judge is None:
            return values
        named = [feature.to_json() | {"name": feature.name} for feature in self.features]
        return values | {"features": named} | self.judge

    @classmethod
    def from_json(cls, values: Mapping[str, Json]) -> Explanation:
        """Return the explanation of a file, without what the language model reported.

        Raises:
            KeyError, ValueError: a field is missing or of another type.
        """
        coder = parse_json(dict[str, object], values["autoencoder"])
        features = [
            feature | {"examples": [_example_fields(e) for e in _objects(feature["examples"])]}
            for feature in _objects(values["features"])
        ]
        return cls(
            versions=parse_json(dict[str, str], values["versions"]),
            seed=parse_json(int, values["seed"]),
            embedder=parse_json(EmbeddingReport, values["embedder"]),
            notes=parse_json(list[str], values["notes"]),
            pairs=parse_json(int, values["pairs"]),
            votes=parse_json(int, values["votes"]),
            autoencoder=parse_json(AutoencoderFit, coder | {"settings": coder}),
            features=parse_json(tuple[ExplainedFeature, ...], features),
            contrasts=parse_json(tuple[Contrast, ...], values.get("contrasts", ())),
        )


def _objects(values: object) -> list[dict[str, object]]:
    return parse_json(list[dict[str, object]], values)


def _example_fields(example: dict[str, object]) -> dict[str, object]:
    """Return the fields of an example, two of which have shorter keys in a file."""
    keys = {file_key: name for name, file_key in _EXAMPLE_KEYS.items()}
    return {keys.get(key, key): value for key, value in example.items()}
