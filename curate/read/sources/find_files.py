"""Finds the files behind a path, glob, URL or folder."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from zipfile import ZipInfo

from curate.errors import CurateError, first_line
from curate.read.notes import empty_files_note
from curate.read.sources.blocks import RowBlock
from curate.read.sources.csv_files import read_csv, read_tsv
from curate.read.sources.data_file import (
    DEFAULT_BOUNDS,
    Bounds,
    DataFile,
    display_name,
    file_kind,
    open_zip,
)
from curate.read.sources.decompression import COMPRESSED_ENDINGS
from curate.read.sources.hub_card import published_files
from curate.read.sources.json_files import read_json, read_json_lines
from curate.read.sources.local_files import LocalFiles
from curate.read.sources.table_files import read_arrow, read_parquet

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

Reader = Callable[[DataFile], Iterator[RowBlock]]

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
_SAVED_DATASET_FILES = ("dataset_info.json", "dataset_dict.json")
_DOCUMENT_ENDINGS = {
    ".md",
    ".txt",
    ".rst",
    ".pdf",
    ".html",
    ".py",
    ".sh",
    ".yaml",
    ".yml",
    ".toml",
    ".lock",
}
_DOCUMENT_ENDINGS |= {
    ".png",
    ".jpg",
    ".jpeg",
    ".webp",
    ".gif",
    ".bmp",
    ".wav",
    ".mp3",
    ".flac",
    ".mp4",
}
_DOCUMENT_NAMES = (
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
_MAX_DEPTH = 4
"""Levels of sub-folders that are searched for data which a folder would leave out."""


@dataclass(frozen=True)
class RowSource:
    """One file or split.

    Attributes:
        label: what reports call it.
        blocks: reads it from the start.
        notes: what the user should know of it before a row is read.
        file: the local file; else None.
        size: returns the bytes of the file, or None if unknown; None if there is no file.
    """

    label: str
    blocks: Callable[[], Iterator[RowBlock]]
    notes: Sequence[str] = ()
    file: Path | None = None
    size: Callable[[], int | None] | None = None

    @property
    def folder(self) -> Path | None:
        """The folder of a local file, where relative media paths start."""
        return self.file.parent if self.file is not None else None


def is_saved_dataset(path: str) -> bool:
    """Return whether the path is a folder that `Dataset.save_to_disk` wrote."""
    try:
        folder = Path(path).expanduser()
        return folder.is_dir() and any(
            (folder / file_name).is_file() for file_name in _SAVED_DATASET_FILES
        )
    except (OSError, ValueError, RuntimeError):  # not a path; `find_sources` reports it
        return False


def find_sources(
    path: str,
    bounds: Bounds = DEFAULT_BOUNDS,
    config: str | None = None,
    split: str | None = None,
) -> list[RowSource]:
    """Return the files behind a path, glob, folder or fsspec URL, in sorted order.

    An existing path is taken literally, whatever characters it has. Of a folder all data
    files are read, of an archive all members; sub-folders are not, and are refused where they hold
    data. Hidden files are left out, other files that may be data are named in the notes. A folder
    with the card of a data set of the hub is read as its card says, `config` and `split` as there.

    Raises:
        CurateError: nothing is there, a file's ending names no known kind, or the place cannot be
            reached.
    """
    fs, root = _resolve_path(path)
    try:
        files, notes = _find_data_files(fs, root, path, config, split)
        sources = [
            s for file in files for s in _sources_of_file(replace(file, bounds=bounds), len(files))
        ]
    except CurateError:
        raise
    except Exception as error:  # file systems of the network raise many kinds
        raise _unreachable_error(path, error) from None
    return [replace(sources[0], notes=(*notes, *sources[0].notes)), *sources[1:]]


def _resolve_path(path: str) -> tuple[object, str]:
    """Return the file system and the path on it."""
    if not path.strip():
        raise CurateError("the path is empty", where="input.path", expected="a file or folder")
    local = LocalFiles()
    try:
        local_path = Path(path).expanduser()
        if "://" not in path or local_path.exists():
            return local, str(local_path.absolute())
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
        raise _unreachable_error(path, error) from None
    return (local if type(fs) is LocalFileSystem else fs), root


def _unreachable_error(path: str, error: Exception) -> CurateError:
    scheme = path.partition("://")[0]
    fix = "check the path, the network and the rights"
    if isinstance(error, ImportError):
        fix = f"install what fsspec needs for '{scheme}' (s3fs, gcsfs, adlfs, aiohttp...)"
    if isinstance(error, ValueError) and "Protocol not known" in str(error):
        fix = "known schemes: file, http, https, s3, gs, az, hf and others of fsspec"
    return CurateError("location unreachable", where="input.path", found=first_line(error), fix=fix)


def _find_data_files(
    fs: AbstractFileSystem, root: str, path: str, config: str | None, split: str | None
) -> tuple[list[DataFile], list[str]]:
    """Return the data files at a place, and what was left out there."""
    if fs.isdir(root):
        published = published_files(fs, root, config, split)
        if published is not None:
            return [_check_data_file(fs, name) for name in published.names], [published.note]
        return _files_in_folder(fs, root)
    # A link to nothing does not exist: `_checked` says so, with the place it points at.
    if fs.exists(root) or (isinstance(fs, LocalFiles) and Path(root).is_symlink()):
        return [_check_data_file(fs, root)], []
    if not _GLOB & set(path):
        fix = "check the path; a relative one starts at the working folder"
        raise CurateError("no such file", where="input.path", found=display_name(path), fix=fix)
    names = sorted(n for n in fs.glob(root) if not fs.isdir(n))
    if not names:
        raise CurateError(
            "no file matches the pattern", where="input.path", found=display_name(path)
        )
    return [_check_data_file(fs, name) for name in names], []


def _files_in_folder(fs: AbstractFileSystem, root: str) -> tuple[list[DataFile], list[str]]:
    files, left_out = [], []
    for name in sorted(_list_folder(fs, root)):
        last = PurePosixPath(name).name
        if fs.isdir(name):
            # Caches and marks of other tools (.cache, _delta_log) hold no data of the set.
            if not last.startswith((".", "_")):
                _check_no_data(fs, name, root)
        elif last.startswith((".", "_")):
            continue
        elif _is_known_kind(name):
            files.append(_check_data_file(fs, name))
        elif not _is_document(name):
            left_out.append(display_name(last))
    if not files:
        raise _unknown_kind_error(display_name(root), "a folder without data files")
    return files, _left_out_note(left_out, display_name(root))


def _list_folder(fs: AbstractFileSystem, root: str) -> list[str]:
    if isinstance(fs, LocalFiles):
        return [str(entry) for entry in Path(root).iterdir()]  # also names that are no UTF-8
    return [n for n in fs.ls(root, detail=False) if n.rstrip("/") != root.rstrip("/")]


def _check_no_data(fs: AbstractFileSystem, folder: str, root: str) -> None:
    """Refuse a sub-folder with data, which would be dropped silently otherwise."""
    inside = [n for n in fs.find(folder, maxdepth=_MAX_DEPTH) if _is_known_kind(n)]
    if inside:
        raise CurateError(
            "the folder holds data in sub-folders",
            where=display_name(root),
            found=f"{len(inside)} data files in {display_name(PurePosixPath(folder).name)}",
            expected="a folder with all its data files at the top",
            fix="name one sub-folder, or a pattern: "
            f"'{display_name(root)}/**/*{file_kind(inside[0])}'",
        )


def _is_document(name: str) -> bool:
    return file_kind(name) in _DOCUMENT_ENDINGS or PurePosixPath(name.lower()).name.startswith(
        _DOCUMENT_NAMES
    )


def _left_out_note(names: list[str], where: str) -> list[str]:
    if not names:
        return []
    listing = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return [f"{where}: skipped files whose ending names no kind of data: {listing}"]


def _check_data_file(fs: object, name: str) -> DataFile:
    """Return the file, if its kind is known and it is a file with something in it."""
    file = DataFile(fs, name)
    if isinstance(fs, LocalFiles):
        _check_regular(file)
    if not _is_known_kind(name):
        raise _unknown_kind_error(
            file.name, f"the ending of {display_name(PurePosixPath(name).name)}"
        )
    if file.size() == 0:
        raise CurateError(
            "the file is empty", where=file.name, fix="remove it, or name the right file"
        )
    return file


def _check_regular(file: DataFile) -> None:
    with file.as_user_errors():
        mode = Path(file.path).stat().st_mode
    if not stat.S_ISREG(mode):
        kind = "a pipe" if stat.S_ISFIFO(mode) else "a device or socket"
        fix = "write its content to a file: rows are read twice, once to find the format"
        raise CurateError("not a regular file", where=file.name, found=kind, fix=fix)


def _sources_of_file(file: DataFile, files: int) -> Iterator[RowSource]:
    path_parts = PurePosixPath(file.path).parts
    label = display_name("/".join(path_parts[-1:] if files == 1 else path_parts[-2:]))
    local = Path(file.path) if isinstance(file.fs, LocalFiles) else None
    if not file.path.lower().endswith(_ARCHIVE):
        blocks = _read_unchanged(file, READERS[file.kind])
        yield RowSource(label, blocks, file=local, size=file.size)
        return
    members, left_out, empty = _select_members(file)
    notes = [
        *_left_out_note(left_out, label),
        *empty_files_note([f"{label}/{name}" for name in empty]),
    ]
    for member in members:
        inner = replace(file, member=member)
        kind = inner.kind if inner.kind in READERS else file.kind
        name = label if len(members) == 1 else f"{label}/{display_name(member)}"
        yield RowSource(name, _read_unchanged(inner, READERS[kind]), notes, local, file.size)
        # The notes are about the archive: only its first member gives them.
        notes = []


def _check_not_encrypted(file: DataFile, members: list[ZipInfo]) -> None:
    if locked := [member.filename for member in members if member.flag_bits & 1]:
        raise CurateError(
            "the archive is encrypted", where=file.name, found=locked[0], fix="unpack it first"
        )


def _select_members(file: DataFile) -> tuple[list[str], list[str], list[str]]:
    """Return an archive's members that are data, those that are left out, and empty ones.

    A single member need not be named by its kind if the archive is (`train.jsonl.zip`).
    """
    infos = [info for info in open_zip(file).infolist() if not info.is_dir()]
    members = [info for info in infos if not _is_hidden(info.filename)]
    _check_not_encrypted(file, members)
    names = sorted(member.filename for member in members if member.file_size)
    data = _data_members(names, file.kind)
    if not data:
        raise _unknown_kind_error(file.name, "an archive without data files")
    left_out = [name for name in names if name not in data and not _is_document(name)]
    empty = sorted({member.filename for member in members}.difference(names))
    # Empty members of other names are marks of tools (_SUCCESS).
    empty_data = [name for name in empty if file_kind(name) in READERS]
    return data, list(map(display_name, left_out)), list(map(display_name, empty_data))


def _data_members(names: list[str], archive_kind: str) -> list[str]:
    """Return the members that are data, by their names or, of a single one, by the archive's."""
    data = [name for name in names if file_kind(name) in READERS]
    if not data and len(names) == 1 and archive_kind in READERS and not file_kind(names[0]):
        return names
    return data


def _is_hidden(name: str) -> bool:
    """Return whether a member is what macOS or an editor puts beside the data."""
    return any(p.startswith((".", "__MACOSX")) and p != ".." for p in PurePosixPath(name).parts)


def _read_unchanged(file: DataFile, reader: Reader) -> Callable[[], Iterator[RowBlock]]:
    """Return a reader of the file that raises an error if the file changes meanwhile."""

    def blocks() -> Iterator[RowBlock]:
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


def _is_known_kind(name: str) -> bool:
    lowered = name.lower()
    return file_kind(name) in READERS or PurePosixPath(lowered).suffix == _ARCHIVE


def _unknown_kind_error(where: str, description: str) -> CurateError:
    endings = ", ".join(READERS)
    return CurateError(
        "the kind of file is not known",
        where=where,
        found=description,
        expected=f"{endings} (also compressed: {', '.join([*COMPRESSED_ENDINGS, _ARCHIVE])})",
    )
