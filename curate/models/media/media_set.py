"""The distinct media of a pair table, each of them decoded once, whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from curate.data.hashes import KEY_BYTES, key_of
from curate.data.media_bytes import UnreadMediumError, medium_bytes
from curate.data.row_parts import REJECTED_MEDIA
from curate.data.threads import cores
from curate.models.media.decoding import (
    SMALL_SIDE,
    DecodedMedium,
    MediumValue,
    decode_audio,
    decode_image,
)
from curate.store.workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.models.media.media_embedder import MediaEmbedder
    from curate.steps.context import Context, Progress
    from curate.store.store import Store

DECODERS = {"images": decode_image, "audios": decode_audio}
"""By the column of the pair table; videos are not decoded."""
# Pictures in memory at a time, some 100 MB decoded.
_BATCH = 32
# Rows with bytes of media are large: few are held.
_ROWS = 64


class MediaSet:
    """Images or audios of a pair table: which each pair has, and what is told of each.

    Two media are the same where their bytes in the table are, or their paths.

    Args:
        pairs: the pair table.
        column: "images" or "audios".
        folders: in which files are looked for.
        workspace: gives room.
    """

    def __init__(
        self,
        pairs: pl.DataFrame,
        column: str,
        folders: Sequence[Path] = (),
        workspace: Workspace | None = None,
    ) -> None:
        self.column, self._folders = column, folders
        self._table = pairs.select(column, REJECTED_MEDIA[column])
        numbers: dict[bytes, int] = {}
        self.of: dict[str, list[tuple[int, ...] | None]] = {}
        """Numbers of each pair's media, by column of the table; None where it has none."""
        first: list[tuple[int, str, int]] = []
        for name in self._table.columns:
            self.of[name] = []
            # A few rows at a time: their bytes become Python objects here.
            for start in range(0, len(pairs), _ROWS):
                for row, media in enumerate(self._table[name][start : start + _ROWS], start):
                    found = None if media is None else _media_keys(media.to_list())
                    for place, key in enumerate(found or ()):
                        # A key that was just numbered is new: here its medium stands first.
                        if numbers.setdefault(key, len(numbers)) == len(first):
                            first.append((row, name, place))
                    own = None if found is None else tuple(numbers[key] for key in found)
                    self.of[name].append(own)
        self._first = first
        room = workspace or Workspace()
        count = len(first)
        self.problems: list[str | None] = [None] * count
        """Why a medium cannot be seen, once it was looked at."""
        self.looked = np.zeros(count, dtype=bool)
        """Which media were looked at."""
        self.sizes = room.array(f"{column}_sizes", (count, 3), "float64")
        """(media, 3) width, height and spread of `DecodedMedium`."""
        # Audios have no picture; a column of one byte keeps the code the same for both.
        side = SMALL_SIDE if column == "images" else 1
        self.small = room.array(f"{column}_small", (count, side, side), "uint8")
        """(media, 32, 32) small grey pictures; of audios nothing."""

    def __len__(self) -> int:
        return len(self._first)

    def look(self, progress: Progress) -> None:
        """Look at all media that nobody has looked at yet."""
        left = np.flatnonzero(~self.looked)
        with progress.task(f"look at {self.column}", len(left)) as task:
            for start in range(0, len(left), _BATCH):
                batch = left[start : start + _BATCH]
                self._decode(batch, [self._read(n) for n in batch])
                task.advance(len(batch))

    def decoded(self, numbers: Sequence[int]) -> list[MediumValue]:
        """Some media, decoded anew where somebody wants their pixels."""
        return self._decode(np.array(numbers, dtype=np.int64), [self._read(n) for n in numbers])

    def content_keys(self, numbers: Sequence[int] | None) -> list[str]:
        """What tells the files of media apart, whatever their names."""
        found = (self._read(n) for n in numbers or ())
        return [key_of(d).hex() if isinstance(d, bytes) else d for d in found]

    def embed(
        self,
        wanted: NDArray[np.int64],
        embedder: MediaEmbedder,
        store: Store | None,
        progress: Progress,
        dtype: str,
    ) -> NDArray[np.float32]:
        """Vectors of length 1 of the wanted media, (wanted, dim), 0 for one that cannot be seen.

        Those that the store knows are not decoded.

        Args:
            wanted: their numbers.
            embedder: of this kind of media.
            store: keeps vectors under the bytes of the files.
            progress: where progress is shown.
            dtype: in which vectors are kept.
        """
        out = np.zeros((len(wanted), embedder.dim), dtype=np.float32)
        # Vectors of media lie beside those of texts: keys are hashes of contents, which never meet.
        kept = None if store is None else store.vectors(embedder.fingerprint, dtype)
        try:
            with progress.task(f"embed {self.column}", len(wanted)) as task:
                for start in range(0, len(wanted), _BATCH):
                    rows = np.arange(start, min(start + _BATCH, len(wanted)))
                    self._embed_batch(wanted[rows], rows, out, embedder, kept)
                    task.advance(len(rows))
        finally:
            if kept is not None:
                kept.close()
        return out

    def _embed_batch(
        self,
        numbers: NDArray[np.int64],
        rows: NDArray[np.int64],
        out: NDArray[np.float32],
        embedder: MediaEmbedder,
        kept: Any,
    ) -> None:
        data = [self._read(n) for n in numbers]
        whole = np.array([isinstance(d, bytes) for d in data])
        keys = np.array([key_of(d) if isinstance(d, bytes) else b"" for d in data], f"S{KEY_BYTES}")
        # What could not be read stays unknown, so that its problem is noted below.
        unknown = np.ones(len(rows), dtype=bool)
        if kept is not None and whole.any():
            found = out[rows[whole]]
            unknown[whole] = ~kept.find(keys[whole], found)
            out[rows[whole]] = found
        left = np.flatnonzero(unknown)
        decoded = self._decode(numbers[left], [data[i] for i in left])
        made = [i for i, d in zip(left, decoded, strict=True) if d.value is not None]
        if made:
            vectors = embedder.encode_media([d.value for d in decoded if d.value is not None])
            out[rows[made]] = vectors
            if kept is not None:
                kept.append(keys[made], vectors)

    def _decode(self, numbers: NDArray[np.int64], data: Sequence[bytes | str]) -> list[MediumValue]:
        """The media, decoded by several threads, with what is told of each noted."""
        # Pillow and soundfile let go of the interpreter's lock while they decode.
        with ThreadPoolExecutor(cores()) as pool:
            decoded = list(pool.map(self._decoded, data))
        for number, one in zip(numbers, decoded, strict=True):
            seen = one.seen
            self.problems[number], self.looked[number] = seen.problem, True
            self.sizes[number] = seen.width, seen.height, seen.spread
            if seen.small is not None:
                self.small[number] = seen.small
        return decoded

    def _decoded(self, data: bytes | str) -> MediumValue:
        return (
            DECODERS[self.column](data)
            if isinstance(data, bytes)
            else MediumValue(DecodedMedium(data))
        )

    def _read(self, number: int) -> bytes | str:
        """The file of a medium, or why it is not to be had."""
        row, name, place = self._first[number]
        try:
            return medium_bytes(self._table[name][row][place], self._folders)
        except UnreadMediumError as error:
            return str(error)


def media_set_for(pairs: pl.DataFrame, column: str, context: Context) -> MediaSet:
    """The media of exactly these pairs, shared by all steps of a run."""
    return context.of_pairs(
        f"media/{column}",
        pairs,
        lambda: MediaSet(pairs, column, context.folders, context.workspace),
    )


def _media_keys(media: Sequence[dict[str, Any]]) -> list[bytes]:
    """What tells each medium apart."""
    keys = []
    for medium in media:
        data = medium["bytes"]
        name = f"{medium['path']}".encode() if data is None else data
        kind = b"path" if data is None else b"bytes"
        keys.append(blake2b(name, digest_size=KEY_BYTES, person=kind).digest())
    return keys
