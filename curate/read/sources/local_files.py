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
        """Whether the other is of this machine too."""
        return isinstance(other, LocalFiles)

    def __hash__(self) -> int:
        """The same for all."""
        return hash(LocalFiles)

    def isdir(self, path: str) -> bool:
        """Whether it is a folder."""
        return Path(path).is_dir()

    def exists(self, path: str) -> bool:
        """Whether anything is there."""
        return Path(path).exists()

    def size(self, path: str) -> int:
        """Bytes of a file."""
        return Path(path).stat().st_size

    def open(self, path: str, mode: str) -> BinaryIO:
        """The file, to be read."""
        opened: Any = Path(path).open(mode)  # noqa: SIM115  # whoever asked for it closes it
        file: BinaryIO = opened
        return file

    def glob(self, pattern: str) -> list[str]:
        """Names that match, as fsspec finds them."""
        found: list[str] = self._whole().glob(pattern)
        return found

    def find(self, folder: str, maxdepth: int) -> list[str]:
        """Files of a folder and the folders in it, so many levels deep."""
        found: list[str] = self._whole().find(folder, maxdepth=maxdepth)
        return found

    def _whole(self) -> Any:
        from fsspec.implementations.local import LocalFileSystem

        return LocalFileSystem()
