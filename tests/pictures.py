"""Images and audios that tests make."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def picture(width: int = 64, height: int = 64, seed: int | None = 0) -> bytes:
    """A PNG of noise, or of one grey value where no seed is given."""
    pixels = np.full((height, width, 3), 128, dtype=np.uint8)
    if seed is not None:
        pixels = np.random.default_rng(seed).integers(0, 255, pixels.shape).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def coloured(colour: tuple[int, int, int], seed: int, side: int = 64) -> bytes:
    """A PNG of a colour with noise over it."""
    noise = np.random.default_rng(seed).normal(0, 25, (side, side, 3))
    file = io.BytesIO()
    Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def sound(hertz: float, seconds: float = 0.5, rate: int = 16_000, level: float = 0.5) -> bytes:
    """A WAV of one tone."""
    import soundfile

    file = io.BytesIO()
    times = np.arange(int(seconds * rate)) / rate
    samples = (level * np.sin(2 * np.pi * hertz * times)).astype(np.float32)
    soundfile.write(file, samples, rate, format="WAV")
    return file.getvalue()


def smooth(seed: int, side: int = 96, quality: int | None = None) -> bytes:
    """A picture of large shapes, as PNG or as JPEG."""
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 6, 3)).astype(np.uint8)
    image = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.save(file, "PNG") if quality is None else image.save(file, "JPEG", quality=quality)
    return file.getvalue()
