"""Small pictures of a row's images, embedded in a page and bounded in size."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from curate.data.media_bytes import NOT_IN_DATA, UnreadMediumError, read_medium
from curate.optional_packages import install_command, is_installed

_MAX_SIDE_PIXELS = 192
"""Pixels of the longer side."""
_MAX_PIXELS = 30_000_000
"""Pixels of the original: larger images are not decoded."""
# Bytes of an image that is opened for the page: larger ones would take too long.
_MAX_BYTES = 20_000_000


@dataclass(frozen=True)
class Thumbnail:
    """A data URL, or why there is none (None: unknown, as for a URL)."""

    url: str | None = None
    problem: str | None = None


def make_thumbnail(medium: Mapping[str, object], folders: Sequence[Path]) -> Thumbnail:
    """Return the thumbnail of an image that is in the data, or a file within a folder.

    Args:
        medium: {path, bytes} of the pair table.
        folders: a path that leads out of them is not opened, and a URL is not fetched.
    """
    try:
        return _render_thumbnail(read_medium(medium, folders, _MAX_BYTES))
    except UnreadMediumError as error:
        return Thumbnail(problem=None if str(error) == NOT_IN_DATA else str(error))


def _render_thumbnail(data: bytes) -> Thumbnail:
    if not is_installed("PIL"):
        return Thumbnail(problem=f"not shown: {install_command('media')}")
    from PIL import Image, UnidentifiedImageError

    try:
        # Only the header is read here: nothing is decoded before the size is known.
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            if width * height > _MAX_PIXELS:
                return Thumbnail(problem=f"{width * height / 1e6:,.0f} megapixels, not shown")
            image.draft("RGB", (_MAX_SIDE_PIXELS, _MAX_SIDE_PIXELS))
            image.thumbnail((_MAX_SIDE_PIXELS, _MAX_SIDE_PIXELS))
            small = io.BytesIO()
            image.convert("RGB").save(small, "JPEG", quality=80)
    except UnidentifiedImageError:
        return Thumbnail(problem="no image")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return Thumbnail(problem=f"damaged image ({type(error).__name__})")
    return Thumbnail("data:image/jpeg;base64," + base64.b64encode(small.getvalue()).decode())
