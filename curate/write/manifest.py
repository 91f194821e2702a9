"""manifest.json: what a run did, with what, and how many pairs it kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.data.json_types import Json, JsonObject
from curate.models.heads.noise.estimate import NoiseEstimate
from curate.steps.findings import PosteriorBasis, RemainingNoise
from curate.steps.step_record import SINGLE_ANSWERS, StepRecord, all_warnings
from curate.write.weighing import WeightCounts

if TYPE_CHECKING:
    from curate.steps.contracts import Column

MANIFEST = "manifest.json"
# Raised when an older reader would misread a run folder.
FORMAT_VERSION = 1
# Key of the input that says what ids of repeated contents follow; older runs, which lack it,
# numbered them by the order of rows.
_REPEATED_IDS, _BY_CONTENT = "repeated_ids", "content"
# At one half a robust loss would divide by 0.
_MOST_SMOOTHING = 0.499


@dataclass(frozen=True)
class RowCounts:
    """Where the pairs of a run went.

    Attributes:
        rows_in: pairs that came in.
        rows_kept: pairs that were kept.
        rows_dropped: pairs that a filter dropped.
        undrawn: kept pairs without a row, where rows are written by weight; else None.
        written: rows that are written by weight; else None.
    """

    rows_in: int
    rows_kept: int
    rows_dropped: int
    undrawn: int | None = None
    written: int | None = None

    def check(self) -> None:
        """Raise RuntimeError unless every pair is kept or dropped, and counted once."""
        if self.rows_in != self.rows_kept + self.rows_dropped:
            counts = f"{self.rows_kept} were kept and {self.rows_dropped} dropped"
            raise RuntimeError(f"{self.rows_in} pairs came in, but {counts}")

    def to_json(self) -> dict[str, int]:
        """Return the counts as plain data."""
        # Only of runs with weights, so that manifests of others stay as they were.
        weighed = {"undrawn": self.undrawn, "written": self.written}
        counts = {"in": self.rows_in, "kept": self.rows_kept, "dropped": self.rows_dropped}
        return counts | {name: count for name, count in weighed.items() if count is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, int]) -> RowCounts:
        """Return the counts of a manifest."""
        counts = (data["in"], data["kept"], data["dropped"])
        return cls(*counts, data.get("undrawn"), data.get("written"))


@dataclass(frozen=True)
class InputSummary:
    """What was read.

    Attributes:
        format: the detected or requested format.
        rows_read: rows in the files.
        rows_rejected: rows that are malformed or hold no pair.
        pairs: pairs in the rows.
        fingerprint: hash of the ids and labels of all pairs.
        numbered_by_content: whether ids of repeated contents follow from the contents; older runs
            numbered them by the order of rows.
        not_drawn: pairs in the files that a mixture leaves out.
        repeated: pairs that a mixture has again.
    """

    format: str
    rows_read: int
    rows_rejected: int
    pairs: int
    fingerprint: str
    numbered_by_content: bool = False
    not_drawn: int = 0
    repeated: int = 0

    def to_json(self) -> JsonObject:
        """Return the summary as plain data; counts of draws only where there are any."""
        counts = ("not_drawn", "repeated")
        summary: JsonObject = {k: v for k, v in asdict(self).items() if v or k not in counts}
        if summary.pop("numbered_by_content"):
            summary[_REPEATED_IDS] = _BY_CONTENT
        return summary

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> InputSummary:
        """Return the summary of a manifest."""
        return cls(
            data["format"],
            data["rows_read"],
            data["rows_rejected"],
            data["pairs"],
            data["fingerprint"],
            data.get(_REPEATED_IDS) == _BY_CONTENT,
            data.get("not_drawn", 0),
            data.get("repeated", 0),
        )


@dataclass(frozen=True)
class ShardFile:
    """A file of rows.

    Attributes:
        path: path from the run's folder.
        bytes: its size.
        rows: its rows; None for a file of a DatasetDict, which does not say how many it has.
        split: the split it belongs to; None without splits.
    """

    path: str
    bytes: int
    rows: int | None = None
    split: str | None = None

    def to_json(self) -> dict[str, int | str]:
        """Return the file as plain data."""
        values = {"split": self.split, "path": self.path, "rows": self.rows, "bytes": self.bytes}
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ShardFile:
        """Return a file of a manifest."""
        return cls(**data)


@dataclass(frozen=True)
class SplitCounts:
    """Number of pairs and distinct prompts of a split."""

    pairs: int
    prompts: int


@dataclass(frozen=True)
class OutputSummary:
    """What was written.

    Attributes:
        format: name of the export.
        file_type: "parquet", "jsonl" or "dataset".
        shards: files with the kept pairs.
        content: number of kept pairs with each kind of content besides text; None for a run of an
            older version.
        lost: of these, the kinds that the export cannot represent.
        languages: languages of the texts, ISO 639-1.
        splits: counts of each split, the one to train on first; None without splits.
        shards_key: hash of all that the shards depend on; None where it is not known.
        weights: how weighted pairs were written; None for pairs without weights.
    """

    format: str
    file_type: str
    shards: tuple[ShardFile, ...] = ()
    content: Mapping[str, int] | None = None
    lost: Mapping[str, int] = field(default_factory=dict)
    languages: tuple[str, ...] = ()
    splits: Mapping[str, SplitCounts] | None = None
    shards_key: str | None = None
    weights: WeightCounts | None = None

    def to_json(self) -> JsonObject:
        """Return the summary as plain data."""
        counts = None if self.splits is None else {n: asdict(c) for n, c in self.splits.items()}
        return {
            "format": self.format,
            "file_type": self.file_type,
            "kept": [shard.to_json() for shard in self.shards],
            "parts": self.content,
            "lost": self.lost,
            "language": self.languages,
            **({} if counts is None else {"splits": counts}),
            "shards_key": self.shards_key,
            "weights": None if self.weights is None else self.weights.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> OutputSummary:
        """Return the summary of a manifest; those of older versions lack some keys."""
        splits, weights = data.get("splits"), data.get("weights")
        return cls(
            data["format"],
            data["file_type"],
            tuple(map(ShardFile.from_json, data.get("kept", ()))),
            data.get("parts"),
            data.get("lost") or {},
            tuple(data.get("language") or ()),
            splits and {name: SplitCounts(**counts) for name, counts in splits.items()},
            data.get("shards_key"),
            None if weights is None else WeightCounts(**weights),
        )


@dataclass(frozen=True)
class SourceSummary:
    """What a run did to one source of a mixture.

    Attributes:
        source: its name.
        pairs: its pairs.
        pairs_kept: of these, the kept ones.
        longer_before: share whose chosen answer is longer, of pairs that differ; None without any.
        longer_after: the same of the kept pairs.
        noise: bound of its wrong labels, as text; None where no scorer computed margins.
    """

    source: str
    pairs: int
    pairs_kept: int
    longer_before: float | None
    longer_after: float | None
    noise: str | None = None

    def to_json(self) -> JsonObject:
        """Return the summary as plain data."""
        summary: JsonObject = {
            "source": self.source,
            "pairs": self.pairs,
            "kept": self.pairs_kept,
            "longer_before": self.longer_before,
            "longer_after": self.longer_after,
        }
        return summary if self.noise is None else summary | {"noise": self.noise}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SourceSummary:
        """Return a summary of a manifest."""
        shares = (data["longer_before"], data["longer_after"])
        return cls(data["source"], data["pairs"], data["kept"], *shares, data.get("noise"))


@dataclass(frozen=True)
class RunManifest:
    """What a run did, with what.

    Attributes:
        config: the configuration as plain data, without credentials.
        versions: versions of curate, Python and the libraries that shape results.
        input: what was read.
        rows: where the pairs went.
        steps: the record of each step.
        output: what was written.
        columns: name, meaning, unit and direction of each score column.
        seed: seed of all random choices.
        created: time at which it was written, ISO 8601.
        platform: the operating system.
        drop_codes: number of pairs that were dropped for each cause.
        sources: what was done to each source of a mixture.
    """

    config: Mapping[str, Any]
    versions: Mapping[str, str]
    input: InputSummary
    rows: RowCounts
    steps: tuple[StepRecord, ...]
    output: OutputSummary
    columns: Sequence[Mapping[str, Json]] = ()
    seed: int = 0
    created: str = ""
    platform: str = ""
    drop_codes: Mapping[str, int] = field(default_factory=dict)
    sources: tuple[SourceSummary, ...] = ()

    @property
    def warnings(self) -> list[str]:
        """Return the warnings of all steps, the alerts first, each once."""
        return all_warnings(self.steps)

    @property
    def alerts(self) -> list[str]:
        """Return the warnings that are shown before all else, each once."""
        return list(dict.fromkeys(text for step in self.steps for text in step.alerts))

    @property
    def has_single_answers(self) -> bool:
        """Return whether the rows of the run have no rejected answers."""
        return any(step.facts.get(SINGLE_ANSWERS) for step in self.steps[:1])

    @property
    def inputs(self) -> list[Mapping[str, Any]]:
        """Return the configuration of each input; none for pairs from memory."""
        inputs = self.config.get("input") or []
        return inputs if isinstance(inputs, list) else [inputs]

    @property
    def data(self) -> str | None:
        """Return the dataset as commands name it; None for several or for pairs from memory."""
        if len(self.inputs) != 1:
            return None
        config = self.inputs[0]
        return f"hf:{config['hf']}" if config.get("hf") else config.get("path")

    @property
    def output_settings(self) -> Mapping[str, Any]:
        """Return the section `output` of the configuration."""
        settings: Mapping[str, Any] = self.config.get("output", {})
        return settings

    @property
    def data_folders(self) -> tuple[Path, ...]:
        """Return the folders of the run's inputs, in which media files are searched."""
        names = (config.get("path") for config in self.inputs)
        paths = [Path(name).expanduser() for name in names if name and "://" not in name]
        return tuple(dict.fromkeys(path if path.is_dir() else path.parent for path in paths))

    def to_json(self) -> JsonObject:
        """Return the manifest as plain data; see docs/guides/trainers/index.md for its place."""
        return {
            "manifest_version": FORMAT_VERSION,
            "created": self.created,
            "versions": self.versions,
            "platform": self.platform,
            "seed": self.seed,
            "config": self.config,
            "input": self.input.to_json(),
            "rows": self.rows.to_json(),
            "steps": [step.to_json() for step in self.steps],
            "seconds": sum(step.seconds for step in self.steps),
            "warnings": self.warnings,
            "columns": self.columns,
            "output": self.output.to_json(),
            "drop_codes": self.drop_codes,
            "by_source": [source.to_json() for source in self.sources],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunManifest:
        """Return the manifest of a run, of this version or an older one."""
        return cls(
            data["config"],
            data.get("versions", {}),
            InputSummary.from_json(data["input"]),
            RowCounts.from_json(data["rows"]),
            tuple(map(StepRecord.from_json, data["steps"])),
            OutputSummary.from_json(data["output"]),
            data.get("columns", ()),
            data.get("seed", 0),
            data.get("created", ""),
            data.get("platform", ""),
            data.get("drop_codes", {}),
            tuple(map(SourceSummary.from_json, data.get("by_source", ()))),
        )


def describe_columns(columns: Iterable[Column]) -> list[JsonObject]:
    """Return what a manifest says of score columns."""
    return [asdict(column) for column in columns]


def label_smoothing(
    steps: Sequence[StepRecord], weights: WeightCounts | None = None
) -> float | None:
    """Return the epsilon of rDPO and cDPO: the estimated noise rate of the kept labels.

    In TRL loss_type "robust" with label_smoothing, which must be below 0.5. None where each label
    comes with its own probability, which would be counted twice.
    """
    if weights is not None and weights.is_soft:
        return None
    noise = remaining_noise(steps)
    # With a reason the rate is where a fit ended, which a loss must not take for an estimate.
    return None if noise is None or noise[1] is not None else min(noise[0], _MOST_SMOOTHING)


def remaining_noise(steps: Sequence[StepRecord]) -> tuple[float, str | None] | None:
    """Return the remaining noise by the posterior that the last filter read.

    Returns:
        The share, and why it is no estimate (None: it is one); None where no filter read any.
    """
    remaining = {step.name: RemainingNoise.from_facts(step.facts) for step in steps}
    recorded = [noise for noise in remaining.values() if noise is not None]
    if not recorded:
        return None
    scorer = _scorer_of(recorded[-1].column, remaining)
    reasons = (_undetermined_reason(step) for step in steps if step.name == scorer)
    return recorded[-1].wrong_left, next(reasons, None)


def _scorer_of(column: str, remaining: Mapping[str, RemainingNoise | None]) -> str:
    """Return the step that computed a posterior; `flip` passes on another step's."""
    step = column.partition(".")[0]
    # A filter that flips hands on the posterior of the scorer before it.
    source = remaining.get(step)
    return (
        step if source is None or source.column == column else _scorer_of(source.column, remaining)
    )


def _undetermined_reason(scorer: StepRecord) -> str | None:
    """Return why a scorer's posterior does not estimate the noise rate; None if it does.

    A step that records no noise estimate has the user's own posterior, which is trusted.
    """
    noise = NoiseEstimate.from_facts(scorer.facts)
    if noise is None:
        return None
    if noise.rate is None or noise.low is None or noise.high is None:
        # The mean of such posteriors is where a fit ended: with weak heads anything from 0 on.
        return f"the labels do not determine it: {noise.text}"
    mean = PosteriorBasis.from_facts(scorer.facts).wrong_by_posterior
    if mean is not None and not noise.low <= mean <= noise.high:
        return f"by its posteriors {mean:.1%} of all labels are wrong, but {noise.text}"
    return None
