"""Small pictures of a row's images, embedded in a page and bounded in size."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from curate.data.row_parts import is_url

_SIDE = 192
"""Pixels of the longer side."""
_MOST_PIXELS = 30_000_000
"""Of the original: larger ones are not decoded."""
_MOST_BYTES = 20_000_000


@dataclass(frozen=True)
class Thumbnail:
    """A data URL, or why there is none (None: nobody can tell, such as for a URL)."""

    url: str | None = None
    problem: str | None = None


def thumbnail(medium: Mapping[str, Any], root: Path | None) -> Thumbnail:
    """The thumbnail of an image that is in the data, or a file within a folder.

    Args:
        medium: {path, bytes} of the pair table.
        root: the folder; a path that leads out of it is not opened, and a URL is not fetched.
    """
    data = medium["bytes"]
    if data is not None:
        return _drawn(io.BytesIO(data), len(data))
    path = medium["path"] or ""
    if root is None or is_url(path):
        return Thumbnail()
    try:
        place = (root / path).resolve()
        if not place.is_relative_to(root.resolve()):
            return Thumbnail(problem="outside the data's folder, not opened")
        if not place.is_file():
            return Thumbnail(problem="not found beside the data")
        with place.open("rb") as file:
            return _drawn(file, place.stat().st_size)
    except (OSError, ValueError, RuntimeError) as error:
        return Thumbnail(problem=f"cannot be read ({type(error).__name__})")


def _drawn(file: IO[bytes], size: int) -> Thumbnail:
    from PIL import Image, UnidentifiedImageError

    if size > _MOST_BYTES:
        return Thumbnail(problem=f"{size / 1e6:,.0f} MB, not shown")
    try:
        # The header alone: nothing is decoded before the size is known.
        with Image.open(file) as image:
            width, height = image.size
            if width * height > _MOST_PIXELS:
                return Thumbnail(problem=f"{width * height / 1e6:,.0f} megapixels, not shown")
            image.draft("RGB", (_SIDE, _SIDE))
            image.thumbnail((_SIDE, _SIDE))
            small = io.BytesIO()
            image.convert("RGB").save(small, "JPEG", quality=80)
    except UnidentifiedImageError:
        return Thumbnail(problem="no image")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return Thumbnail(problem=f"a damaged image ({type(error).__name__})")
    return Thumbnail("data:image/jpeg;base64," + base64.b64encode(small.getvalue()).decode())
