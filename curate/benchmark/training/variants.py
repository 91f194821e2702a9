"""What a bench by training compares: pipelines, each written in the trainer's format."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from curate.benchmark.actions import ACTIONS
from curate.benchmark.bench import bench
from curate.benchmark.run import KEEP_ALL
from curate.data.json_types import JsonObject
from curate.errors import CurateError, suggestion
from curate.option_names import option_name
from curate.pipeline.config import load_config
from curate.pipeline.run import Pipeline
from curate.read.pairs import Pairs
from curate.recipes import recipe_names, recipe_text
from curate.steps.context import Progress
from curate.write.run_files import is_run

ADVICE = "advice"
"""The variant that a bench by probe models advises on the same pairs."""
_INPUTS = {"input", "output", "sources"}


@dataclass(frozen=True)
class Variant:
    """A pipeline to compare.

    Attributes:
        name: name in tables and folders.
        sections: sections of pipeline.yaml, without input and output.
    """

    name: str
    sections: JsonObject


@dataclass(frozen=True)
class VariantFormat:
    """How the pairs of variants are written.

    Attributes:
        export: name of the export format.
        file_type: parquet, jsonl or dataset.
    """

    export: str = "trl"
    file_type: str = "parquet"


def folder_name(variant: str) -> str:
    """Return the name of a variant's folder."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", variant).strip("-.") or "variant"


def find_variants(names: Sequence[str]) -> list[Variant]:
    """Return the variants of these names; `ADVICE` stays without sections until it is known.

    Args:
        names: steps that `curate bench` tests, recipes, paths of pipelines, or `ADVICE`.

    Raises:
        CurateError: an unknown name, two variants of one name, or a mistake in a pipeline.
    """
    variants = [_find_variant(name) for name in names]
    folders = [folder_name(KEEP_ALL), *(folder_name(variant.name) for variant in variants)]
    twice = sorted({name for name in folders if folders.count(name) > 1})
    if twice:
        raise CurateError(
            "two variants have one name",
            where=option_name("variants", "variant"),
            found=", ".join(twice),
        )
    for variant in variants:
        Pipeline(dict(variant.sections))
    return variants


def _find_variant(name: str) -> Variant:
    if name == ADVICE:
        return Variant(ADVICE, {})
    actions = {action.name: action.config for action in ACTIONS}
    if name in actions:
        return Variant(name, dict(actions[name]))
    if name in recipe_names():
        return Variant(name, yaml.safe_load(recipe_text(name)))
    if Path(name).is_file():
        config, _ = load_config(name)
        sections = config.model_dump(mode="json", exclude_defaults=True)
        return Variant(Path(name).stem, {k: v for k, v in sections.items() if k not in _INPUTS})
    valid = (ADVICE, *actions, *recipe_names())
    raise CurateError(
        "no such variant",
        where=option_name("variants", "variant"),
        found=repr(name),
        expected=f"the path of a pipeline, or one of {', '.join(valid)}",
        fix=suggestion(name, valid),
    )


def advised_variant(pairs: Pairs, seeds: int, progress: Progress) -> Variant:
    """Return what a bench by probe models advises; it may be to keep everything."""
    (advice,) = bench(pairs, seeds=seeds, progress=progress).advice
    sections = {action.name: action.config for action in ACTIONS}
    return Variant(ADVICE, {} if advice.method is None else dict(sections[advice.method]))


def write_variant(
    variant: Variant, pairs: Pairs, folder: Path, form: VariantFormat, progress: Progress
) -> Path:
    """Write the pairs of a variant, unless they are there; return the folder of its shards."""
    if not is_run(folder):
        output = {"format": form.export, "file_type": form.file_type, "report": False}
        config = {**variant.sections, "output": {"path": str(folder), **output}}
        Pipeline(config).run(pairs, output=folder, progress=progress)
    return folder / "kept"
