"""Images and audio from the bytes of their files, and facts about each."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from curate.data.media_bytes import TOO_LARGE
from curate.optional_packages import need

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

NO_IMAGE, NO_AUDIO, DAMAGED = "no image", "no audio", "damaged"
SMALL_SIDE = 32
"""Pixels of the grey picture from which perceptual hashes are made."""
# A blank page is blank at any size.
_SPREAD_SIDE = 64
_MAX_PIXELS = 100_000_000
"""Larger images are not decoded: a small file can claim any size."""
_MAX_SIDE = 1024
"""Pixels to which larger images are reduced at once, so that a batch of them fits into memory."""
# Decoded sound takes 10 MB a minute.
_MAX_SECONDS = 600.0


@dataclass(frozen=True)
class MediumFacts:
    """Facts about a medium.

    Attributes:
        problem: why it cannot be seen or heard; None where it can.
        width: of an image in pixels; of an audio its seconds.
        height: of an image in pixels; of an audio its samples a second.
        spread: standard deviation of an image's grey values (0 to 255); of an audio's samples
            (-1 to 1).
        small: (32, 32) grey values of an image.
    """

    problem: str | None = None
    width: float = 0.0
    height: float = 0.0
    spread: float = 0.0
    small: NDArray[np.uint8] | None = None


Medium: TypeAlias = "Image | dict[str, NDArray[np.float32] | int]"
"""A medium as models take it: an image, or the samples of an audio and their rate."""


@dataclass(frozen=True)
class DecodedMedium:
    """A medium as models take it (None if it cannot be decoded), and facts about it."""

    facts: MediumFacts
    value: Medium | None = None


def decode_image(data: bytes) -> DecodedMedium:
    """Return an RGB image, reduced to at most 1,024 pixels a side."""
    need("PIL", "media", "images")
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            # Only the header was read so far.
            if width * height > _MAX_PIXELS:
                return DecodedMedium(MediumFacts(TOO_LARGE))
            # All of it: a file that was cut off has a sound header.
            image.load()
            image.thumbnail((_MAX_SIDE, _MAX_SIDE), reducing_gap=2.0)
            rgb, grey = image.convert("RGB"), image.convert("L")
    except UnidentifiedImageError:
        return DecodedMedium(MediumFacts(NO_IMAGE))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return DecodedMedium(MediumFacts(DAMAGED))
    spread = np.asarray(grey.resize((_SPREAD_SIDE, _SPREAD_SIDE)), dtype=np.float64).std()
    # As imagehash resizes, so that its hash of this picture is that of the whole.
    small = np.asarray(grey.resize((SMALL_SIDE, SMALL_SIDE), Image.Resampling.LANCZOS))
    return DecodedMedium(MediumFacts(None, width, height, float(spread), small), rgb)


def decode_audio(data: bytes) -> DecodedMedium:
    """Return samples of an audio, its channels averaged: {array, sampling_rate}."""
    need("soundfile", "media", "audios")
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            rate = file.samplerate
            # The header gives the length before anything is decoded.
            if file.frames > rate * _MAX_SECONDS:
                return DecodedMedium(MediumFacts(TOO_LARGE))
            # One channel: CLAP's feature extractor takes no more.
            samples = file.read(dtype="float32", always_2d=True).mean(axis=1)
    except soundfile.LibsndfileError:
        return DecodedMedium(MediumFacts(NO_AUDIO))
    except (RuntimeError, ValueError, OSError):
        return DecodedMedium(MediumFacts(DAMAGED))
    if not len(samples):
        return DecodedMedium(MediumFacts(DAMAGED))
    spread = float(np.std(samples.astype(np.float64)))
    facts = MediumFacts(None, len(samples) / rate, rate, spread)
    return DecodedMedium(facts, {"array": samples, "sampling_rate": rate})
