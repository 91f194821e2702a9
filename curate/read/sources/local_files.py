"""Files of this machine, by the few methods of an fsspec file system that reading needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO


class LocalFiles:
    """Stands for fsspec's `LocalFileSystem`, whose import takes a tenth of a small run.

    Patterns and searches of folders are left to that one. All are equal: what is cached by one
    serves the others.
    """

    def __eq__(self, other: object) -> bool:
        """Return whether the other is of this machine too."""
        return isinstance(other, LocalFiles)

    def __hash__(self) -> int:
        """Return the same for all."""
        return hash(LocalFiles)

    def isdir(self, path: str) -> bool:
        """Return whether it is a folder."""
        return Path(path).is_dir()

    def exists(self, path: str) -> bool:
        """Return whether anything is there."""
        return Path(path).exists()

    def size(self, path: str) -> int:
        """Return the bytes of a file."""
        return Path(path).stat().st_size

    def open(self, path: str, mode: str) -> BinaryIO:
        """Return the file, to be read."""
        opened: Any = Path(path).open(mode)  # noqa: SIM115  # whoever asked for it closes it
        file: BinaryIO = opened
        return file

    def glob(self, pattern: str) -> list[str]:
        """Return the names that match, as fsspec finds them."""
        names: list[str] = self._fsspec_files().glob(pattern)
        return names

    def find(self, folder: str, maxdepth: int) -> list[str]:
        """Return the files of a folder and its sub-folders, so many levels deep."""
        names: list[str] = self._fsspec_files().find(folder, maxdepth=maxdepth)
        return names

    def _fsspec_files(self) -> Any:
        from fsspec.implementations.local import LocalFileSystem

        return LocalFileSystem()
