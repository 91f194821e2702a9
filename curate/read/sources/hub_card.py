"""A data set's folder as the hub publishes it: its card (README.md) says which files are what."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from curate.errors import CurateError, suggestion

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

DEFAULT_SPLIT = "train"
CARD = "README.md"
_MOST_BYTES = 1 << 18
_FENCE = "---"
_DATA = "data"
_RUN = ("scores.parquet", "dropped")
_SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""Words at the start of a file's name by which the hub finds its split, where no card says so."""


@dataclass(frozen=True)
class PublishedFiles:
    """The files of one split.

    Attributes:
        names: of the files on their file system, sorted.
        note: which configuration and split they are, and which are left out.
    """

    names: Sequence[str]
    note: str


def choose_split(splits: Sequence[str], split: str | None, where: str) -> str:
    """Return the split that is asked for, else the only one or `train`.

    Raises:
        CurateError: there is no such split.
    """
    if split is None and len(splits) == 1:
        return splits[0]
    name = split or DEFAULT_SPLIT
    if name not in splits:
        fix = suggestion(name, splits)
        raise CurateError("no such split", where=f"{where}, input.split", found=name, fix=fix)
    return name


def published_files(
    fs: AbstractFileSystem, root: str, config: str | None, split: str | None
) -> PublishedFiles | None:
    """Return the data files of one split of a folder with a card; None where it has none.

    The card's `configs` name them by patterns. Without `configs` the files of the sub-folder `data`
    are sorted by the split that their names begin with, as the hub does it.

    Raises:
        CurateError: no such configuration or split, or its files are not there.
    """
    # A run has a card as well, but its manifest says what its files are: without one it is damaged.
    if not fs.exists(f"{root}/{CARD}") or all(fs.exists(f"{root}/{name}") for name in _RUN):
        return None
    where = f"{root}/{CARD}"
    configs = _read_header(fs, root).get("configs")
    entries = [e for e in configs if isinstance(e, dict)] if isinstance(configs, list) else []
    if not entries:
        return _files_by_name(fs, root, split)
    entry = _choose_config(entries, config, where)
    patterns = _patterns_by_split(entry)
    chosen = choose_split(list(patterns), split, where)
    names = _match_files(fs, root, str(entry.get("data_dir") or ""), patterns[chosen], where)
    name = _config_name(entry)
    return PublishedFiles(
        names, _describe_choice(f"configuration '{name}', ", chosen, list(patterns))
    )


def _read_header(fs: AbstractFileSystem, root: str) -> dict[str, object]:
    """Return the card's YAML; empty where there is none that can be read."""
    import yaml

    with fs.open(f"{root}/{CARD}", "rb") as file:
        text = file.read(_MOST_BYTES).decode("utf-8", "replace").removeprefix("\ufeff")
    lines = text.splitlines()
    if not lines or lines[0].strip() != _FENCE or _FENCE not in lines[1:]:
        return {}
    try:
        header = yaml.safe_load("\n".join(lines[1 : lines.index(_FENCE, 1)]))
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return header if isinstance(header, dict) else {}


def _config_name(entry: dict[str, object]) -> str:
    return str(entry.get("config_name", "default"))


def _choose_config(
    entries: list[dict[str, object]], config: str | None, where: str
) -> dict[str, object]:
    """Return the configuration that is asked for, else the only one or the default."""
    by_name = {_config_name(entry): entry for entry in entries}
    marked = [name for name, entry in by_name.items() if entry.get("default") is True]
    name = config or (next(iter(by_name)) if len(by_name) == 1 else (*marked, "default")[0])
    if name not in by_name:
        raise CurateError(
            "no such configuration" if config else "the dataset has several configurations",
            where=f"{where}, input.config",
            found=config or ", ".join(by_name),
            fix=suggestion(config, by_name) if config else "name one: input.config",
        )
    return by_name[name]


def _patterns_by_split(entry: dict[str, object]) -> dict[str, list[str]]:
    """Return patterns by split; if none are named, every file belongs to `train`."""
    files = entry.get("data_files") or "**"
    if isinstance(files, dict):
        return {str(name): _as_texts(paths) for name, paths in files.items()}
    if not isinstance(files, list) or not all(isinstance(f, dict) for f in files):
        return {DEFAULT_SPLIT: _as_texts(files)}
    return {str(f.get("split", DEFAULT_SPLIT)): _as_texts(f.get("path", "**")) for f in files}


def _as_texts(paths: object) -> list[str]:
    return [str(path) for path in (paths if isinstance(paths, list) else [paths])]


def _match_files(
    fs: AbstractFileSystem, root: str, folder: str, patterns: list[str], where: str
) -> list[str]:
    """Return the files of the folder that match; a card may not reach beyond its folder."""
    names: set[str] = set()
    for pattern in patterns:
        path = PurePosixPath(folder) / pattern
        if path.is_absolute() or ".." in path.parts or "://" in pattern:
            raise CurateError("the card names files outside its folder", where=where, found=pattern)
        names.update(n for n in fs.glob(f"{glob.escape(root)}/{path}") if not fs.isdir(n))
    names = {n for n in names if not PurePosixPath(n).name.startswith(".")}
    if not names:
        raise CurateError(
            "the card names files that are not there",
            where=where,
            found=", ".join(patterns[:5]),
            fix="fetch them (git lfs pull), or name the files themselves",
        )
    return sorted(names - {f"{root}/{CARD}"})


def _files_by_name(fs: AbstractFileSystem, root: str, split: str | None) -> PublishedFiles | None:
    """Return the files of `data` by the split in their names; None if a name has no split."""
    names = [n for n in fs.glob(f"{glob.escape(root)}/{_DATA}/*") if not fs.isdir(n)]
    names = [n for n in names if not PurePosixPath(n).name.startswith(".")]
    by_split: dict[str, list[str]] = {}
    for name in sorted(names):
        stem = PurePosixPath(name).name.lower()
        first_word = stem.replace("-", ".").replace("_", ".").partition(".")[0]
        split_name = next((s for s, words in _SPLITS.items() if first_word in words), None)
        if split_name is None:
            return None
        by_split.setdefault(split_name, []).append(name)
    if not by_split:
        return None
    chosen = choose_split(list(by_split), split, f"{root}/{_DATA}")
    return PublishedFiles(by_split[chosen], _describe_choice("", chosen, list(by_split)))


def _describe_choice(config: str, split: str, splits: list[str]) -> str:
    left_out = sorted({*splits} - {split})
    more = f"; not read: {', '.join(left_out)} (input.split)" if left_out else ""
    return f"read as the dataset card says: {config}split '{split}'{more}"
