"""From a path, glob, URL or hub name to the sources that hold its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import fsspec

from curate.errors import CurateError
from curate.read.sources.blocks import Block
from curate.read.sources.json_files import read_json, read_json_lines
from curate.read.sources.table_files import read_arrow, read_csv, read_parquet, read_tsv

Reader = Callable[[str], Iterator[Block]]

READERS: dict[str, Reader] = {
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".parquet": read_parquet,
    ".arrow": read_arrow,
    ".feather": read_arrow,
}
_COMPRESSION = {".gz", ".bz2", ".xz", ".zst", ".zip"}
_GLOB = set("*?[")
_SAVED_MARKS = ("dataset_info.json", "dataset_dict.json")


@dataclass(frozen=True)
class Source:
    """One file or split: `label` is what reports call it, `blocks` reads it from the start."""

    label: str
    blocks: Callable[[], Iterator[Block]]


def is_saved_dataset(path: str) -> bool:
    """Whether the path is a folder that `Dataset.save_to_disk` wrote."""
    folder = Path(path)
    return folder.is_dir() and any((folder / mark).exists() for mark in _SAVED_MARKS)


def find_sources(path: str) -> list[Source]:
    """The files behind a path, glob, folder or fsspec URL, in sorted order.

    Raises:
        CurateError: nothing is there, or a file's ending names no known kind.
    """
    fs, root = fsspec.core.url_to_fs(path)
    if _GLOB & set(path):
        names = sorted(n for n in fs.glob(root) if not fs.isdir(n))
        if not names:
            raise CurateError("no file matches the pattern", where="input.path", found=path)
    elif fs.isdir(root):
        names = [n for n in sorted(fs.ls(root, detail=False)) if _reader(n) is not None]
        if not names:
            raise _unknown_kind(path, "a folder without data files")
    elif fs.exists(root):
        names = [root]
    else:
        fix = "check the path; a relative one starts at the working folder"
        raise CurateError("no such file", where="input.path", found=path, fix=fix)
    return [_file_source(fs, name, len(names) == 1) for name in names]


def _file_source(fs: fsspec.AbstractFileSystem, name: str, alone: bool) -> Source:
    reader = _reader(name)
    if reader is None:
        raise _unknown_kind(name, f"the ending of {PurePosixPath(name).name}")
    if fs.size(name) == 0:
        raise CurateError("the file is empty", where=name, fix="remove it, or name the right file")
    url = fs.unstrip_protocol(name)
    parts = PurePosixPath(name).parts
    return Source("/".join(parts[-1:] if alone else parts[-2:]), lambda: reader(url))


def _reader(name: str) -> Reader | None:
    path = PurePosixPath(name)
    if path.suffix in _COMPRESSION:
        path = path.with_suffix("")
    return READERS.get(path.suffix)


def _unknown_kind(where: str, found: str) -> CurateError:
    endings = ", ".join(READERS)
    return CurateError(
        "the kind of file is not known",
        where=where,
        found=found,
        expected=f"{endings} (also compressed: {', '.join(sorted(_COMPRESSION))})",
    )
