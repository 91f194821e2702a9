"""Local folders as a user writes them."""

from __future__ import annotations

from pathlib import Path


def local_folder(text: str | Path) -> Path:
    """Return the folder that a text names, with `~` expanded.

    Raises:
        ValueError: it is empty, a URL, or no path at all.
    """
    path_text = str(text)
    if not path_text.strip():
        raise ValueError("the path is empty; expected a folder")
    # pathlib makes one slash of two: "s3:/bucket" is what is left of a URL that became a Path.
    scheme = path_text.partition(":/")[0]
    if ":/" in path_text and scheme.isalnum() and len(scheme) > 1:
        raise ValueError(
            f"'{scheme}://' is no folder of this machine; write to a local one, then copy it "
            "(aws s3 cp --recursive, gsutil, rclone), or use: curate push"
        )
    if "\0" in path_text:
        raise ValueError("the path holds a NUL byte")
    try:
        return Path(path_text).expanduser()
    except RuntimeError as error:  # ~nobody
        raise ValueError(str(error)) from None


def local_input(text: str | Path) -> str | None:
    """Return the path on this machine that an input names, also as `file://`; None of others."""
    scheme, separator, path = str(text).partition("://")
    if not separator:
        return str(text)
    return path if scheme.lower() in ("file", "local") else None
