"""Opens one data file or archive member, decompresses it and reports damage."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from curate.errors import CurateError, first_line
from curate.read.sources.content_sniffing import check_magic_bytes
from curate.read.sources.decompression import COMPRESSED_ENDINGS, DamagedError, unpacked_file
from curate.read.sources.local_files import LocalFiles

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

MB = 1 << 20
BUFFER = 1 << 17
# Enough for the magic bytes of every kind.
_HEAD = 256
# Of a file from a network before it goes to disk.
_IN_MEMORY = 64 * MB


@dataclass(frozen=True)
class Bounds:
    """How much of a file is held in memory at a time.

    Attributes:
        row: bytes of one row.
        file: bytes of a file that must be read at once (a JSON array), and of a compressed Arrow or
            Parquet file.
    """

    row: int = 256 * MB
    file: int = 2048 * MB


DEFAULT_BOUNDS = Bounds()


@dataclass(frozen=True)
class DataFile:
    """Where a file's bytes are.

    Attributes:
        fs: fsspec file system.
        path: on it.
        member: of the archive at `path`, where it is one.
        bounds: of what is held at a time.
    """

    fs: AbstractFileSystem
    path: str
    member: str | None = None
    bounds: Bounds = DEFAULT_BOUNDS

    @property
    def name(self) -> str:
        """As errors call it; a name that is no text is shown as near as it gets."""
        name = self.path if self.member is None else f"{self.path}: {self.member}"
        return display_name(name)

    @property
    def kind(self) -> str:
        """Ending that tells the kind of its rows, in small letters, without that of compression."""
        return file_kind(self.member or self.path)

    def size(self) -> int | None:
        """Return the bytes on disk; None if the file system does not report them."""
        with self.as_user_errors():
            size = self.fs.size(self.path)
        return None if size is None else int(size)

    def version(self) -> str:
        """Return a text that changes with the file: size and time of change, if reported."""
        # With the inode: a file that was replaced can have size and time of the old one.
        stat = Path(self.path).stat() if isinstance(self.fs, LocalFiles) else None
        return f"{stat.st_mtime_ns} {stat.st_ino} {stat.st_size}" if stat else str(self.size())

    @contextmanager
    def opened(self, text: bool = True) -> Iterator[io.BufferedReader]:
        """Return the unpacked bytes, from start to end.

        Args:
            text: whether they are to be rows of text.

        Raises:
            CurateError: also while reading: the file is damaged, locked, gone, or of another kind.
        """
        with self.as_user_errors(), io.BufferedReader(_Watched(self), BUFFER) as file:
            if text:
                check_magic_bytes(file.peek(), self.name, text)
            yield file  # type: ignore[misc]  # BufferedReader of a reader of our own

    @contextmanager
    def seekable(self) -> Iterator[IO[bytes]]:
        """Return the same, for readers that go to and fro: what is compressed is unpacked first."""
        if self.member is None and _compression_ending(self.path) is None:
            with self.as_user_errors(), self.fs.open(self.path, "rb") as file:
                check_magic_bytes(file.read(_HEAD), self.name, text=False)
                file.seek(0)
                yield file
            return
        # Parquet and Arrow are read from their end: a stream that only goes forward is no use.
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as unpacked:
            with self.opened(text=False) as packed:
                # Before the disk is full: a small file may unpack to any size.
                while piece := packed.read(BUFFER):
                    unpacked.write(piece)
                    if unpacked.tell() > self.bounds.file:
                        raise self.too_large("the file", unpacked.tell(), self.bounds.file)
            unpacked.seek(0)
            yield unpacked

    @contextmanager
    def as_user_errors(self) -> Iterator[None]:
        """Raise errors of the disk and of the network as `CurateError`."""
        try:
            yield
        except FileNotFoundError:
            raise CurateError(
                "the file is gone", where=self.name, fix="check the path, and that nothing moves it"
            ) from None
        except (OSError, ValueError, RuntimeError, NotImplementedError) as error:
            raise CurateError(
                "the file cannot be read", where=self.name, found=first_line(error)
            ) from None

    def damaged(self, damage: str, position: str) -> CurateError:
        """Return the error for a damaged file.

        Args:
            found: what is wrong.
            read: how far it could be read.
        """
        return CurateError(
            "the file is damaged",
            where=self.name,
            found=f"{damage}; it was read up to {position}",
            expected="a complete file",
            fix="download or write it again: rows after the damage cannot be read",
        )

    def too_large(self, what: str, size: int, limit: int) -> CurateError:
        """Return the error for what is larger than a bound; `size` is what was seen of it."""
        key = "max_row_mb" if limit == self.bounds.row else "max_file_mb"
        return CurateError(
            f"{what} is larger than the bound",
            where=self.name,
            found=f"{size / MB:,.0f} MB and more",
            expected=f"at most {limit / MB:,.0f} MB",
            fix=f"raise input.{key}, or repair the file (an array can be written as JSON lines)",
        )


class _Watched(io.RawIOBase):
    """The unpacked bytes of a file; errors say what is wrong and how far it was read."""

    def __init__(self, file: DataFile) -> None:
        self._file, self._count = file, 0
        self._inner: Any
        if file.member is None:
            raw = file.fs.open(file.path, "rb")
            ending = _compression_ending(file.path)
            self._inner = raw if ending is None else unpacked_file(raw, ending)
        else:
            self._archive = open_zip(file)
            try:
                self._inner = self._archive.open(file.member)
            except zipfile.BadZipFile as error:
                raise file.damaged(first_line(error), "byte 0") from None

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Return the next bytes; 0 at the end."""
        try:
            # Only here is it known how far the file was sound.
            data = self._inner.read(len(buffer))
        except (DamagedError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise self._file.damaged(first_line(error), f"byte {self._count:,}") from None
        buffer[: len(data)] = data
        self._count += len(data)
        return len(data)

    def close(self) -> None:
        """Close the file on the disk too."""
        if not self.closed:
            self._inner.close()
        super().close()


def open_zip(file: DataFile) -> zipfile.ZipFile:
    """Return the archive; raises CurateError where it is none, or damaged."""
    with file.as_user_errors():
        try:
            return _open_archive(file.fs, file.path, file.version(), os.getpid())
        except zipfile.BadZipFile as error:
            raise DataFile(file.fs, file.path).damaged(first_line(error), "byte 0") from None


@lru_cache(maxsize=2)
def _open_archive(fs: AbstractFileSystem, path: str, version: str, process: int) -> zipfile.ZipFile:  # noqa: ARG001
    """Return the archive; its list of members, which may be long, is read once.

    Args:
        fs: the file system.
        path: the path on it.
        version: changes with the file.
        process: that reads it: two processes may not share where they are in the file.
    """
    return zipfile.ZipFile(fs.open(path, "rb"))


def file_kind(name: str) -> str:
    """Return the lower-case ending that names the kind of a file's rows."""
    path = PurePosixPath(name.lower())
    return (
        path.with_suffix("").suffix if path.suffix in {*COMPRESSED_ENDINGS, ".zip"} else path.suffix
    )


def display_name(name: str) -> str:
    """Return a file's name as text; bytes that are no UTF-8 become U+FFFD."""
    # Linux names are bytes; Python marks those that are no UTF-8 by halves of characters, which no
    # terminal prints.
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _compression_ending(path: str) -> str | None:
    ending = PurePosixPath(path.lower()).suffix
    return ending if ending in COMPRESSED_ENDINGS else None


def check_names(names: list[str], file: DataFile) -> None:
    """Refuse duplicate columns, since either could be meant."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise CurateError(
            "duplicate column",
            where=file.name,
            found=", ".join(repr(name[:60]) for name in twice[:5]),
            fix="rename or remove one of them",
        )


def not_utf8(file: DataFile, where: str, error: UnicodeDecodeError) -> CurateError:
    """Return the error for a file of another encoding."""
    return CurateError(
        "the file is not UTF-8",
        where=f"{file.name}, {where}",
        found=error.reason,
        expected="UTF-8",
        fix="find the encoding (often latin-1), then: iconv -f latin1 -t UTF-8 OLD > NEW",
    )
