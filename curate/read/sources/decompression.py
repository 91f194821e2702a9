"""Decompression that refuses data that is cut, changed or followed by other bytes."""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from typing import IO, Any

_CHUNK = 1 << 16
_ARROW_DAMAGE = ("ZSTD ", "Truncated ")
"""How pyarrow's messages on damaged data begin; its other errors are the file system's."""


class DamagedError(Exception):
    """The compressed data is damaged."""


class _Zlib:
    """A gzip member, with the interface that bz2 and lzma decompressors share."""

    def __init__(self) -> None:
        # 31: a gzip header and its checksum, not bare zlib data.
        self._inner = zlib.decompressobj(wbits=31)
        self._pending_input = b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return bounded output; input that does not fit waits for the next call."""
        out = self._inner.decompress(self._pending_input + data, max_length)
        self._pending_input = self._inner.unconsumed_tail
        return out

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        """Whether all input was used."""
        return not self._pending_input and not self._inner.eof

    @property
    def unused_data(self) -> bytes:
        """Bytes that follow the member."""
        return self._inner.unused_data


DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    ".gz": _Zlib,
    ".bz2": bz2.BZ2Decompressor,
    ".xz": lzma.LZMADecompressor,
}
"""Ending of a compressed file, and what unpacks one part of it."""
_ZSTD_ENDING = ".zst"
COMPRESSED_ENDINGS = (*DECOMPRESSORS, _ZSTD_ENDING)


def unpacked_file(raw: IO[bytes], ending: str) -> io.RawIOBase:
    """Return the data of a compressed file, by the ending of its name."""
    return _UnpackedZstd(raw) if ending == _ZSTD_ENDING else Unpacked(raw, ending)


class _UnpackedZstd(io.RawIOBase):
    """The data of zstandard frames; pyarrow unpacks no more of them than is asked for.

    Raises:
        DamagedError: on reading, where the data is cut or damaged, or other data follows it.
    """

    def __init__(self, raw: IO[bytes]) -> None:
        import pyarrow as pa

        self._raw, self._is_empty = raw, True
        self._stream = pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd")

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Return the next bytes; 0 at the end."""
        try:
            data = self._stream.read(len(buffer))
        except OSError as error:
            if not str(error).startswith(_ARROW_DAMAGE):
                raise
            raise DamagedError(str(error)) from None
        if not data and self._is_empty:
            raise DamagedError("it holds no compressed data")
        buffer[: len(data)], self._is_empty = data, False
        return len(data)

    def close(self) -> None:
        """Also of the compressed file."""
        self._raw.close()
        super().close()


class Unpacked(io.RawIOBase):
    """The data of a compressed file, read from start to end.

    Several compressed parts one after another are one file, as their formats define it; zeros
    behind the last one are padding.

    Raises:
        DamagedError: on reading, where the data is cut or damaged, or other data follows it.
    """

    def __init__(self, raw: IO[bytes], ending: str) -> None:
        self._raw, self._make = raw, DECOMPRESSORS[ending]
        self._member: Any = None
        self._members = 0
        self._input = b""
        self._output = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Return the next bytes; 0 at the end."""
        while not self._output:
            if not self._fill_output():
                return 0
        count = min(len(buffer), len(self._output))
        buffer[:count], self._output = self._output[:count], self._output[count:]
        return count

    def close(self) -> None:
        """Also of the compressed file."""
        self._raw.close()
        super().close()

    def _fill_output(self) -> bool:
        """Decompress one chunk; return False at the end of the file."""
        if self._member is None:
            return self._begin_member()
        if self._member.eof:
            # What follows a member may be the next one.
            self._input = self._member.unused_data + self._input
            self._member = None
            return True
        data = self._next_input() if self._member.needs_input else b""
        if self._member.needs_input and not data:
            raise DamagedError("it ends in the middle of the data")
        self._output = self._decompress(data)
        return True

    def _begin_member(self) -> bool:
        """Start the next member; return False if none follows."""
        data = self._next_input()
        while self._members and data and not data.strip(b"\0"):  # padding
            data = self._next_input()
        if not data:
            if not self._members:
                raise DamagedError("it holds no compressed data")
            return False
        self._member, self._members = self._make(), self._members + 1
        try:
            self._output = self._decompress(data.lstrip(b"\0") if self._members > 1 else data)
        except DamagedError as error:
            if self._members > 1:
                raise DamagedError("other data follows the compressed data") from None
            raise DamagedError(f"it is not compressed as its ending says: {error}") from None
        return True

    def _next_input(self) -> bytes:
        """Return the next compressed bytes, b"" at the end."""
        if self._input:
            data, self._input = self._input[:_CHUNK], self._input[_CHUNK:]
            return data
        return self._raw.read(_CHUNK)

    def _decompress(self, data: bytes) -> bytes:
        try:
            out: bytes = self._member.decompress(data, _CHUNK)
        except (zlib.error, OSError, EOFError, lzma.LZMAError, ValueError) as error:
            raise DamagedError(str(error)) from None
        return out
