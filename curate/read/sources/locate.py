"""From a path, glob, URL or hub name to the sources that hold its rows."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from curate.errors import CurateError, first_line
from curate.read.notes import empty_files_note
from curate.read.sources.blocks import Block
from curate.read.sources.data_file import (
    DEFAULT_BOUNDS,
    Bounds,
    DataFile,
    kind_of,
    open_zip,
    shown,
)
from curate.read.sources.hub_card import published_files
from curate.read.sources.json_files import read_json, read_json_lines
from curate.read.sources.local_files import LocalFiles
from curate.read.sources.separated import read_csv, read_tsv
from curate.read.sources.table_files import read_arrow, read_parquet
from curate.read.sources.unpack import DECOMPRESSORS

Reader = Callable[[DataFile], Iterator[Block]]

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
_ARCHIVE = ".zip"
_GLOB = set("*?[")
_SAVED_MARKS = ("dataset_info.json", "dataset_dict.json")
_PROSE = {".md", ".txt", ".rst", ".pdf", ".html", ".py", ".sh", ".yaml", ".yml", ".toml", ".lock"}
_PROSE |= {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".wav", ".mp3", ".flac", ".mp4"}
_PAPERS = (
    "license",
    "licence",
    "readme",
    "notice",
    "changelog",
    "makefile",
    "citation",
    "checksum",
)
"""Endings and names of files beside the data that are no data, of which no word is needed."""
_DEEPEST = 4
"""Levels of sub-folders that are searched for data which a folder would leave out."""


@dataclass(frozen=True)
class Source:
    """One file or split.

    Attributes:
        label: what reports call it.
        blocks: reads it from the start.
        notes: what the user should know of it before a row is read.
        file: the local file; else None.
        size: bytes of the file, wherever it lies, None where nobody knows; None of no file.
    """

    label: str
    blocks: Callable[[], Iterator[Block]]
    notes: Sequence[str] = ()
    file: Path | None = None
    size: Callable[[], int | None] | None = None

    @property
    def folder(self) -> Path | None:
        """Where a local file lies, which paths of media start from."""
        return self.file.parent if self.file is not None else None


def is_saved_dataset(path: str) -> bool:
    """Whether the path is a folder that `Dataset.save_to_disk` wrote."""
    try:
        folder = Path(path).expanduser()
        return folder.is_dir() and any((folder / mark).is_file() for mark in _SAVED_MARKS)
    except (OSError, ValueError, RuntimeError):  # no path at all; told where files are looked for
        return False


def find_sources(
    path: str,
    bounds: Bounds = DEFAULT_BOUNDS,
    config: str | None = None,
    split: str | None = None,
) -> list[Source]:
    """The files behind a path, glob, folder or fsspec URL, in sorted order.

    A path that is there is taken as it stands, whatever characters it holds. Of a folder all data
    files are read, of an archive all members; sub-folders are not, and are refused where they hold
    data. Hidden files are left out, other files that may be data are named in the notes. A folder
    with the card of a data set of the hub is read as its card says, `config` and `split` as there.

    Raises:
        CurateError: nothing is there, a file's ending names no known kind, or the place cannot be
            reached.
    """
    fs, root = _place(path)
    try:
        found, notes = _files(fs, root, path, config, split)
        sources = [s for file in found for s in _of_file(replace(file, bounds=bounds), len(found))]
    except CurateError:
        raise
    except Exception as error:  # file systems of the network raise many kinds
        raise _unreachable(path, error) from None
    return [replace(sources[0], notes=(*notes, *sources[0].notes)), *sources[1:]]


def _place(path: str) -> tuple[Any, str]:
    """File system and path on it."""
    if not path.strip():
        raise CurateError("the path is empty", where="input.path", expected="a file or folder")
    local = LocalFiles()
    try:
        given = Path(path).expanduser()
        if "://" not in path or given.exists():
            return local, str(given.absolute())
    except (OSError, ValueError, RuntimeError) as error:
        if "://" not in path:
            raise CurateError(
                "the path cannot be used", where="input.path", found=first_line(error)
            ) from None
    import fsspec  # with all that it imports a tenth of a small run, which most need not
    from fsspec.implementations.local import LocalFileSystem

    try:
        fs, root = fsspec.core.url_to_fs(path)
    except Exception as error:  # an unknown scheme, a missing package, wrong options
        raise _unreachable(path, error) from None
    return (local if type(fs) is LocalFileSystem else fs), root


def _unreachable(path: str, error: Exception) -> CurateError:
    scheme = path.partition("://")[0]
    fix = "check the path, the network and the rights"
    if isinstance(error, ImportError):
        fix = f"install what fsspec needs for '{scheme}' (s3fs, gcsfs, adlfs, aiohttp...)"
    if isinstance(error, ValueError) and "Protocol not known" in str(error):
        fix = "known schemes: file, http, https, s3, gs, az, hf and others of fsspec"
    return CurateError(
        "the place cannot be reached", where="input.path", found=first_line(error), fix=fix
    )


def _files(
    fs: Any, root: str, path: str, config: str | None, split: str | None
) -> tuple[list[DataFile], list[str]]:
    """The data files at a place, and what was left out there."""
    if fs.isdir(root):
        published = published_files(fs, root, config, split)
        if published is not None:
            return [_checked(fs, name) for name in published.names], [published.note]
        return _of_folder(fs, root)
    # A link to nothing does not exist: `_checked` says so, with the place it points at.
    if fs.exists(root) or (isinstance(fs, LocalFiles) and Path(root).is_symlink()):
        return [_checked(fs, root)], []
    if not _GLOB & set(path):
        fix = "check the path; a relative one starts at the working folder"
        raise CurateError("no such file", where="input.path", found=shown(path), fix=fix)
    names = sorted(n for n in fs.glob(root) if not fs.isdir(n))
    if not names:
        raise CurateError("no file matches the pattern", where="input.path", found=shown(path))
    return [_checked(fs, name) for name in names], []


def _of_folder(fs: Any, root: str) -> tuple[list[DataFile], list[str]]:
    files, left_out = [], []
    for name in sorted(_entries(fs, root)):
        last = PurePosixPath(name).name
        if fs.isdir(name):
            # Caches and marks of other tools (.cache, _delta_log) hold no data of the set.
            if not last.startswith((".", "_")):
                _check_no_data(fs, name, root)
        elif last.startswith((".", "_")):
            continue
        elif _known(name):
            files.append(_checked(fs, name))
        elif not _prose(name):
            left_out.append(shown(last))
    if not files:
        raise _unknown_kind(shown(root), "a folder without data files")
    return files, _left_out(left_out, shown(root))


def _entries(fs: Any, root: str) -> list[str]:
    if isinstance(fs, LocalFiles):
        return [str(entry) for entry in Path(root).iterdir()]  # also names that are no UTF-8
    return [n for n in fs.ls(root, detail=False) if n.rstrip("/") != root.rstrip("/")]


def _check_no_data(fs: Any, folder: str, root: str) -> None:
    """Refuse a sub-folder with data: reading the rest alone would lose it without a word."""
    inside = [n for n in fs.find(folder, maxdepth=_DEEPEST) if _known(n)]
    if inside:
        raise CurateError(
            "the folder holds data in sub-folders",
            where=shown(root),
            found=f"{len(inside)} data files in {shown(PurePosixPath(folder).name)}",
            expected="a folder with all its data files at the top",
            fix=f"name one sub-folder, or a pattern: '{shown(root)}/**/*{kind_of(inside[0])}'",
        )


def _prose(name: str) -> bool:
    return kind_of(name) in _PROSE or PurePosixPath(name.lower()).name.startswith(_PAPERS)


def _left_out(names: list[str], where: str) -> list[str]:
    if not names:
        return []
    listing = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return [f"{where}: left out, since their ending names no kind of data: {listing}"]


def _checked(fs: Any, name: str) -> DataFile:
    """The file, if its kind is known and it is a file with something in it."""
    file = DataFile(fs, name)
    if isinstance(fs, LocalFiles):
        _check_regular(file)
    if not _known(name):
        raise _unknown_kind(file.name, f"the ending of {shown(PurePosixPath(name).name)}")
    if file.size() == 0:
        raise CurateError(
            "the file is empty", where=file.name, fix="remove it, or name the right file"
        )
    return file


def _check_regular(file: DataFile) -> None:
    with file.told():
        mode = Path(file.path).stat().st_mode
    if not stat.S_ISREG(mode):
        kind = "a pipe" if stat.S_ISFIFO(mode) else "a device or socket"
        fix = "write its content to a file: rows are read twice, once to find the format"
        raise CurateError("not a regular file", where=file.name, found=kind, fix=fix)


def _of_file(file: DataFile, files: int) -> Iterator[Source]:
    parts = PurePosixPath(file.path).parts
    label = shown("/".join(parts[-1:] if files == 1 else parts[-2:]))
    local = Path(file.path) if isinstance(file.fs, LocalFiles) else None
    if not file.path.lower().endswith(_ARCHIVE):
        blocks = _reading(file, READERS[file.kind])
        yield Source(label, blocks, file=local, size=file.size)
        return
    members, left_out, empty = _members(file)
    notes = [*_left_out(left_out, label), *empty_files_note([f"{label}/{name}" for name in empty])]
    for member in members:
        inner = replace(file, member=member)
        kind = inner.kind if inner.kind in READERS else file.kind
        name = label if len(members) == 1 else f"{label}/{shown(member)}"
        yield Source(name, _reading(inner, READERS[kind]), notes, local, file.size)
        # They are of the archive, and are told with its first member alone.
        notes = []


def _members(file: DataFile) -> tuple[list[str], list[str], list[str]]:
    """Members of an archive that are data, those that may be and are not read, and empty ones.

    A single member need not be named by its kind where the archive is (`train.jsonl.zip`).
    """
    archive = open_zip(file)
    found = [i for i in archive.infolist() if not i.is_dir() and not _hidden(i.filename)]
    if locked := [i.filename for i in found if i.flag_bits & 1]:
        raise CurateError(
            "the archive is encrypted", where=file.name, found=locked[0], fix="unpack it first"
        )
    empty = [n.filename for n in found if not n.file_size and kind_of(n.filename) in READERS]
    names = sorted(i.filename for i in found if i.file_size)
    data = [n for n in names if kind_of(n) in READERS]
    if not data and len(names) == 1 and file.kind in READERS and not kind_of(names[0]):
        data = names
    if not data:
        raise _unknown_kind(file.name, "an archive without data files")
    rest = [n for n in names if n not in data and not _prose(n)]
    # Other members of no bytes are marks of tools (_SUCCESS).
    return data, [shown(n) for n in rest], [shown(n) for n in sorted(empty)]


def _hidden(name: str) -> bool:
    """Whether a member is what macOS or an editor puts beside the data."""
    return any(p.startswith((".", "__MACOSX")) and p != ".." for p in PurePosixPath(name).parts)


def _reading(file: DataFile, reader: Reader) -> Callable[[], Iterator[Block]]:
    """Blocks of the file, which must not change meanwhile: what was read would be neither state."""

    def blocks() -> Iterator[Block]:
        before = file.size()
        yield from reader(file)
        after = file.size()
        if before != after:
            raise CurateError(
                "the file changed while it was read",
                where=file.name,
                found=f"{before} bytes at first, {after} at last",
                fix="run again when nothing writes to it",
            )

    return blocks


def _known(name: str) -> bool:
    lowered = name.lower()
    return kind_of(name) in READERS or PurePosixPath(lowered).suffix == _ARCHIVE


def _unknown_kind(where: str, found: str) -> CurateError:
    endings = ", ".join(READERS)
    return CurateError(
        "the kind of file is not known",
        where=where,
        found=found,
        expected=f"{endings} (also compressed: {', '.join([*DECOMPRESSORS, _ARCHIVE])})",
    )
