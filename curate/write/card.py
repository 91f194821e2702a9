"""The dataset card of a run: README.md of its folder, in the form of the hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path, PurePath
from typing import Any

import yaml

from curate.data.checksums import file_digest
from curate.data.json_types import JsonObject
from curate.models.heads.noise.estimate import NoiseEstimate
from curate.write.dataset_info import dataset_info
from curate.write.exports import Export, TrainerHints
from curate.write.manifest import InputSummary, RunManifest, remaining_noise
from curate.write.weighing import WeightCounts

_UNKNOWN = "unknown"
_TASKS = {
    "images": "image-text-to-text",
    "videos": "video-text-to-text",
    "audios": "audio-text-to-text",
}
"""The hub's task of texts about such media."""


@dataclass(frozen=True)
class CardDetails:
    """What the data are for, in the hub's words.

    Attributes:
        tasks: `task_categories`.
        languages: of the texts, ISO 639-1; none: not stated.
    """

    tasks: tuple[str, ...] = ("text-generation",)
    languages: tuple[str, ...] = ()

    @classmethod
    def of(cls, form: Export, content: Set[str], languages: Sequence[str] = ()) -> CardDetails:
        """Return the tasks that a format's shards with this content serve."""
        media = {kind for kind in _TASKS if {kind, f"{kind[:-1]} parts"} & content}
        tasks = form.tasks or tuple(_TASKS[kind] for kind in sorted(media)) or cls.tasks
        return cls(tasks, tuple(languages))


def make_card(
    manifest: RunManifest,
    advice: TrainerHints,
    license: str | None = None,
    lost: Sequence[str] = (),
    shards: Path | None = None,
    weights: WeightCounts | None = None,
    about: CardDetails = CardDetails(),
) -> str:
    """Markdown with the hub's metadata: how the set was curated, and how to do it again.

    Args:
        manifest: of the run.
        advice: where the shards are, and the share of wrong labels that is left.
        license: of the source data, an identifier of the hub such as "mit"; None: unknown.
        lost: what the shards do not hold as it was published.
        shards: the folder of the shards, whose content the card names.
        weights: how weighted pairs are written.
        about: what the data are for.
    """
    rows = manifest.rows
    written = rows.rows_kept if weights is None else weights.rows
    sections = [
        _card_metadata(written, advice, license, shards, about),
        f"# Curated preference pairs\n\n{rows.rows_kept:,} of {rows.rows_in:,} pairs, curated by "
        f"curate {manifest.versions['curate']}. Each row has the id of its pair.",
        _describe_source(manifest, license),
        "\n".join(["## Not as published", "", *(f"- {text}" for text in lost)]) if lost else "",
        _source_table(manifest),
        _step_table(manifest),
        _describe_weights(weights),
        _describe_noise(manifest, advice, weights),
        _describe_models(manifest),
        _reproduce_commands(manifest),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _card_metadata(
    rows: int, advice: TrainerHints, license: str | None, shards: Path | None, about: CardDetails
) -> str:
    # The hub asks for the key; what is not known is said, not left out.
    front: JsonObject = {"license": license or _UNKNOWN}
    if about.languages:
        front["language"] = list(about.languages)
    front["task_categories"] = list(about.tasks)
    front["tags"] = ["preference", "dpo", "reward-model", "curated"]
    splits = advice.splits or (advice.train,)
    info = None if shards is None else dataset_info(_describe_shards(shards, splits, advice))
    front["size_categories"] = [_size_category(rows if info is None else info.rows)]
    if advice.file_type != "dataset":
        # Named one by one: the hub would otherwise take dropped pairs and scores for data too.
        files = [{"split": name, "path": advice.glob(name)} for name in splits]
        config: JsonObject = {"config_name": "default", "data_files": files}
        if shards is not None:
            # `datasets` keeps what it loaded under the names of folder and configuration, and would
            # give the rows of another run of that name: what differs here is loaded anew.
            config["description"] = f"checksum of the shards: {_input_checksum(shards)}"
        front["configs"] = [config]
    if info is not None:
        front["dataset_info"] = asdict(info)
    return f"---\n{yaml.safe_dump(front, sort_keys=False)}---"


def _describe_shards(
    folder: Path, splits: Sequence[str], advice: TrainerHints
) -> dict[str, list[Path]]:
    """Return the files of each split."""
    if advice.file_type == "dataset":
        return {}
    inside = {name: folder / name if advice.splits else folder for name in splits}
    return {name: sorted(place.glob("part-*")) for name, place in inside.items()}


def _input_checksum(folder: Path) -> str:
    """Return one hash of the names and contents of a folder's files."""
    digest = blake2b(digest_size=16)
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        # Names too: which rows belong to which split is part of the content.
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(file_digest(path))
    return digest.hexdigest()


def _file_name(path: str | None) -> str | None:
    """Return a path without the folders of this machine; a URL as it is."""
    if path is None or "://" in path:
        return path
    return PurePath(path).name


def _shareable_config(config: Mapping[str, Any]) -> JsonObject:
    """Return the configuration without the folders of this machine."""
    # A path of this machine, and without effect on the result.
    shareable = {key: value for key, value in config.items() if key != "store"}
    if "input" in shareable:
        shareable["input"] = _without_folders(shareable["input"])
    if "output" in shareable:
        shareable["output"] = shareable["output"] | {
            "path": _file_name(shareable["output"]["path"])
        }
    return shareable


def _without_folders(place: Any) -> Any:
    """Return a description of the inputs by file names."""
    if isinstance(place, list):
        return [_without_folders(one) for one in place]
    return place | {"path": _file_name(place["path"])} if "path" in place else place


def _size_category(rows: int) -> str:
    """Return the Hub's size category."""
    # The hub's own categories, letter by letter.
    names = ("1K", "10K", "100K", "1M", "10M", "100M", "1B")
    if rows < 10**3:
        return "n<1K"
    for power, (low, high) in enumerate(pairwise(names), 4):
        if rows < 10**power:
            return f"{low}<n<{high}"
    return "n>1B"


def _describe_source(manifest: RunManifest, license: str | None) -> str:
    source = manifest.input
    lines = [
        "## Source",
        "",
        *(_describe_location(place) for place in manifest.inputs or [{}]),
        f"- format: {source.format}; rows read: {source.rows_read:,}; rows without a pair: "
        f"{source.rows_rejected:,}{_describe_draws(source)}",
        f"- fingerprint of the pairs: `{source.fingerprint}`",
        f"- license of the source: {license or 'not stated; check it before you share this'}",
    ]
    return "\n".join(lines)


def _describe_draws(source: InputSummary) -> str:
    """Return how many pairs a mixture leaves out or has again; nothing where there are none."""
    counts = {"pairs that were not drawn": source.not_drawn, "pairs drawn again": source.repeated}
    return "".join(f"; {name}: {count:,}" for name, count in counts.items() if count)


def _describe_location(location: Mapping[str, Any]) -> str:
    name = location.get("hf") or _file_name(location.get("path")) or "pairs in memory"
    draw_settings = [f"{key} {location[key]:g}" for key in ("share", "weight") if key in location]
    called = f"{location['name']}: " if "name" in location else ""
    revision = [f"revision `{location['revision']}`"] if "revision" in location else []
    return ", ".join([f"- data: {called}`{name}`", *revision, *draw_settings])


def _source_table(manifest: RunManifest) -> str:
    """Return the table of a mixture's sources, with what was done to each."""
    if not manifest.sources:
        return ""
    lines = [
        "## By source",
        "",
        "| source | pairs | kept | chosen longer, before | after | wrong labels |",
        "|---|---|---|---|---|---|",
    ]
    for source in manifest.sources:
        longer = (_format_percent(source.longer_before), _format_percent(source.longer_after))
        cells = (source.source, f"{source.pairs:,}", f"{source.pairs_kept:,}", *longer)
        lines.append("| " + " | ".join((*cells, source.noise or "")) + " |")
    return "\n".join(lines)


def _format_percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _step_table(manifest: RunManifest) -> str:
    lines = ["## Steps", "| step | kind | pairs in | kept |", "|---|---|---|---|"]
    for step in manifest.steps:
        if step.kind in ("score", "filter"):
            counts = f"{step.rows_in:,} | {step.rows_out:,}"
            lines.append(f"| {step.name} | {step.kind} | {counts} |")
    return "\n".join([lines[0], "", *lines[1:]]) if len(lines) > 3 else ""


def _describe_weights(weights: WeightCounts | None) -> str:
    """Return how weighted pairs became rows, and what to train them with."""
    if weights is None:
        return ""
    lines = [f"- {weights.text}"]
    if weights.carrier == "rows" and weights.copies > 1:
        lines.append(f"- train for one epoch: the rows are {weights.copies} draws, one for each")
    elif weights.carrier == "column":
        lines.append("- the trainers of `curate.trl` read the columns; others need rows")
    return "\n".join(["## Weights", "", *lines])


def _describe_noise(
    manifest: RunManifest, advice: TrainerHints, weights: WeightCounts | None
) -> str:
    estimates = ((step.name, NoiseEstimate.from_facts(step.facts)) for step in manifest.steps)
    lines = [f"- wrong labels, by {name}: {noise.text}" for name, noise in estimates if noise]
    if advice.label_smoothing is not None:
        lines.append(
            "- remaining wrong labels, by the posterior and under the same assumption: "
            f"{advice.label_smoothing:.1%} (the epsilon of rDPO and cDPO)"
        )
    elif weights is not None and weights.is_soft:
        lines.append("- no label smoothing: each label comes with its own probability")
    elif (remaining := remaining_noise(manifest.steps)) is not None:
        lines.append(f"- wrong labels that are left: no estimate; {remaining[1]}")
    return "\n".join(["## Label noise", "", *lines]) if lines else ""


def _describe_models(manifest: RunManifest) -> str:
    used = {f"- {step.name}: `{step.model}`" for step in manifest.steps if step.model is not None}
    if any(step.cached for step in manifest.steps):
        used.add(f"- embed: `{manifest.config['embedder']['name']}`")
    return "\n".join(["## Models", "", *sorted(used)]) if used else ""


def _reproduce_commands(manifest: RunManifest) -> str:
    config = yaml.safe_dump(_shareable_config(manifest.config), sort_keys=False).rstrip()
    versions = ", ".join(f"{name} {v}" for name, v in manifest.versions.items())
    return (
        f"## Reproduce\n\n`curate run pipeline.yaml` with\n\n```yaml\n{config}\n```\n\n"
        f"Versions: {versions}."
    )
