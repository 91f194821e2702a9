"""Small pictures of a row's images, embedded in a page and bounded in size."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.data.media_bytes import NOT_HERE, UnreadMediumError, medium_bytes

_SIDE = 192
"""Pixels of the longer side."""
_MOST_PIXELS = 30_000_000
"""Of the original: larger ones are not decoded."""
# Of a picture that is opened for the page: nobody waits for larger ones.
_MOST_BYTES = 20_000_000


@dataclass(frozen=True)
class Thumbnail:
    """A data URL, or why there is none (None: nobody can tell, such as for a URL)."""

    url: str | None = None
    problem: str | None = None


def thumbnail(medium: Mapping[str, Any], folders: Sequence[Path]) -> Thumbnail:
    """The thumbnail of an image that is in the data, or a file within a folder.

    Args:
        medium: {path, bytes} of the pair table.
        folders: a path that leads out of them is not opened, and a URL is not fetched.
    """
    try:
        return _drawn(medium_bytes(medium, folders, _MOST_BYTES))
    except UnreadMediumError as error:
        return Thumbnail(problem=None if str(error) == NOT_HERE else str(error))


def _drawn(data: bytes) -> Thumbnail:
    from PIL import Image, UnidentifiedImageError

    try:
        # The header alone: nothing is decoded before the size is known.
        with Image.open(io.BytesIO(data)) as image:
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
