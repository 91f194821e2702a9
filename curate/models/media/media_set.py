"""The distinct media of a pair table, each of them decoded once, whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from curate.data.attachments import REJECTED_MEDIA
from curate.data.hashes import KEY_BYTES, hash_bytes
from curate.data.media_bytes import UnreadMediumError, read_medium
from curate.data.process import available_cores
from curate.models.media.decoding import (
    SMALL_SIDE,
    DecodedMedium,
    MediumFacts,
    decode_audio,
    decode_image,
)
from curate.store.scratch import ScratchSpace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curate.models.media.media_embedder import MediaEmbedder
    from curate.steps.context import Context, Progress
    from curate.store.store import Store
    from curate.store.vectors import VectorStore

DECODERS = {"images": decode_image, "audios": decode_audio}
"""By the column of the pair table; videos are not decoded."""
# Pictures in memory at a time, some 100 MB decoded.
_BATCH = 32
# Rows with bytes of media are large: few are held.
_ROWS = 64


class MediaSet:
    """Images or audio of a pair table: which each pair has, and facts about each.

    Two media are the same where their bytes in the table are, or their paths.

    Args:
        pairs: the pair table.
        column: "images" or "audios".
        folders: in which files are looked for.
        scratch: where sizes and thumbnails are stored.
    """

    def __init__(
        self,
        pairs: pl.DataFrame,
        column: str,
        folders: Sequence[Path] = (),
        scratch: ScratchSpace | None = None,
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
                    keys = None if media is None else _media_keys(media.to_list())
                    for place, key in enumerate(keys or ()):
                        # A key that was just numbered is new: here its medium stands first.
                        if numbers.setdefault(key, len(numbers)) == len(first):
                            first.append((row, name, place))
                    media_numbers = None if keys is None else tuple(numbers[key] for key in keys)
                    self.of[name].append(media_numbers)
        self._first = first
        scratch = scratch or ScratchSpace()
        count = len(first)
        self.problems: list[str | None] = [None] * count
        """Why a medium cannot be seen, once it was looked at."""
        self.looked = np.zeros(count, dtype=bool)
        """Which media were looked at."""
        self.sizes = scratch.array(f"{column}_sizes", (count, 3), "float64")
        """(media, 3) width, height and spread of `DecodedMedium`."""
        # Audios have no picture; a column of one byte keeps the code the same for both.
        side = SMALL_SIDE if column == "images" else 1
        self.small = scratch.array(f"{column}_small", (count, side, side), "uint8")
        """(media, 32, 32) small grey pictures; of audios nothing."""

    def __len__(self) -> int:
        return len(self._first)

    def look(self, progress: Progress) -> None:
        """Look at all media that nobody has looked at yet."""
        unlooked = np.flatnonzero(~self.looked)
        with progress.task(f"look at {self.column}", len(unlooked)) as task:
            for start in range(0, len(unlooked), _BATCH):
                batch = unlooked[start : start + _BATCH]
                self._decode(batch, [self._read(n) for n in batch])
                task.advance(len(batch))

    def decoded(self, numbers: Sequence[int]) -> list[DecodedMedium]:
        """Return some media, decoded anew where somebody wants their pixels."""
        return self._decode(np.array(numbers, dtype=np.int64), [self._read(n) for n in numbers])

    def content_keys(self, numbers: Sequence[int] | None) -> list[str]:
        """Return keys of the files' contents, whatever their names."""
        contents = (self._read(n) for n in numbers or ())
        return [hash_bytes(d).hex() if isinstance(d, bytes) else d for d in contents]

    def embed(
        self,
        numbers: NDArray[np.int64],
        embedder: MediaEmbedder,
        store: Store | None,
        progress: Progress,
        dtype: str,
    ) -> NDArray[np.float32]:
        """Return vectors of length 1 of the wanted media, (wanted, dim), 0 for one that cannot be
        seen.

        Those that the store knows are not decoded.

        Args:
            numbers: numbers of the media.
            embedder: embedder of this media type.
            store: keeps vectors under the bytes of the files.
            progress: where progress is shown.
            dtype: in which vectors are kept.
        """
        out = np.zeros((len(numbers), embedder.dim), dtype=np.float32)
        # Vectors of media lie beside those of texts: keys are hashes of contents, which never meet.
        stored_vectors = None if store is None else store.vectors(embedder.fingerprint, dtype)
        try:
            with progress.task(f"embed {self.column}", len(numbers)) as task:
                for start in range(0, len(numbers), _BATCH):
                    rows = np.arange(start, min(start + _BATCH, len(numbers)))
                    self._embed_batch(numbers[rows], rows, out, embedder, stored_vectors)
                    task.advance(len(rows))
        finally:
            if stored_vectors is not None:
                stored_vectors.close()
        return out

    def _embed_batch(
        self,
        numbers: NDArray[np.int64],
        rows: NDArray[np.int64],
        out: NDArray[np.float32],
        embedder: MediaEmbedder,
        stored_vectors: VectorStore | None,
    ) -> None:
        data = [self._read(n) for n in numbers]
        readable = np.array([isinstance(d, bytes) for d in data])
        keys = np.array(
            [hash_bytes(d) if isinstance(d, bytes) else b"" for d in data], f"S{KEY_BYTES}"
        )
        # What could not be read stays unknown, so that its problem is noted below.
        unknown = np.ones(len(rows), dtype=bool)
        if stored_vectors is not None and readable.any():
            stored = out[rows[readable]]
            unknown[readable] = ~stored_vectors.find(keys[readable], stored)
            out[rows[readable]] = stored
        missing = np.flatnonzero(unknown)
        decoded = self._decode(numbers[missing], [data[i] for i in missing])
        decoded_rows = [i for i, d in zip(missing, decoded, strict=True) if d.value is not None]
        if decoded_rows:
            vectors = embedder.encode_media([d.value for d in decoded if d.value is not None])
            out[rows[decoded_rows]] = vectors
            if stored_vectors is not None:
                stored_vectors.append(keys[decoded_rows], vectors)

    def _decode(
        self, numbers: NDArray[np.int64], data: Sequence[bytes | str]
    ) -> list[DecodedMedium]:
        """Return the media, decoded by several threads, and record the facts of each."""
        # Pillow and soundfile let go of the interpreter's lock while they decode.
        with ThreadPoolExecutor(available_cores()) as pool:
            decoded = list(pool.map(self._decoded, data))
        for number, one in zip(numbers, decoded, strict=True):
            facts = one.facts
            self.problems[number], self.looked[number] = facts.problem, True
            self.sizes[number] = facts.width, facts.height, facts.spread
            if facts.small is not None:
                self.small[number] = facts.small
        return decoded

    def _decoded(self, data: bytes | str) -> DecodedMedium:
        return (
            DECODERS[self.column](data)
            if isinstance(data, bytes)
            else DecodedMedium(MediumFacts(data))
        )

    def _read(self, number: int) -> bytes | str:
        """Return the file of a medium, or why it is not to be had."""
        row, name, place = self._first[number]
        try:
            return read_medium(self._table[name][row][place], self._folders)
        except UnreadMediumError as error:
            return str(error)


def media_set_for(pairs: pl.DataFrame, column: str, context: Context) -> MediaSet:
    """Return the media of exactly these pairs, shared by all steps of a run."""
    return context.view(pairs).cached(
        f"media/{column}", lambda: MediaSet(pairs, column, context.folders, context.scratch)
    )


def _media_keys(media: Sequence[dict[str, Any]]) -> list[bytes]:
    """Return a key for each medium."""
    keys = []
    for medium in media:
        data = medium["bytes"]
        name = f"{medium['path']}".encode() if data is None else data
        kind = b"path" if data is None else b"bytes"
        # Personalised by kind: bytes that spell a path must not match that path.
        keys.append(blake2b(name, digest_size=KEY_BYTES, person=kind).digest())
    return keys
