"""Whether a command may write one file: nothing but our own earlier output is replaced unasked."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from curate.data.local_path import local_input
from curate.errors import CurateError
from curate.write.contents import MADE_BY, is_generated_page, read_completion_file


def check_output_file(output: Path, overwrite: bool, inputs: Iterable[str | Path | None]) -> None:
    """Make sure, before anything is computed, that a command may write `output`.

    Args:
        output: file that the command will write.
        overwrite: whether a file that curate did not write may be replaced.
        inputs: files, folders or patterns that the command reads; they are never replaced.

    Raises:
        CurateError: `output` is a folder, an input, a file in an input folder, or somebody's file
            while `overwrite` is off.
    """
    if output.is_dir():
        raise CurateError("the output is a folder", where=str(output), expected="a file")
    if not output.exists():
        return
    if any(_has_pairs(source, output) for source in inputs if source is not None):
        raise CurateError(
            "the output would replace the input", where=str(output), fix="use another --output"
        )
    if not overwrite and not is_curate_file(output):
        raise CurateError(
            "the output is a file that curate did not write",
            where=str(output),
            fix="use another --output, or --overwrite to replace it",
        )


def _has_pairs(source: str | Path, output: Path) -> bool:
    """Return whether an existing file is an input, or one of the data files of an input folder."""
    local_path = local_input(source)
    if local_path is None:
        return False
    path = Path(local_path).expanduser()
    target = output.resolve()
    try:
        if path.exists():
            # A file within the folder that is read would be read as data the next time.
            inside = path.is_dir() and path.resolve() in target.parents
            return path.samefile(output) or (inside and not is_curate_file(output))
        folder = Path(path.anchor) if path.is_absolute() else Path()
        pattern = str(path.relative_to(path.anchor))
        # A pattern may match the output as well as the input.
        return any(match.resolve() == target for match in folder.glob(pattern))
    except (OSError, ValueError, NotImplementedError):  # no path, or no pattern that names files
        return False


def is_curate_file(path: Path) -> bool:
    """Return whether curate wrote a page or a JSON file, and may write it again."""
    return is_generated_page(path) or _is_curate_json(path)


def _is_curate_json(path: Path) -> bool:
    return path.suffix == ".json" and str(
        (read_completion_file(path) or {}).get(MADE_BY)
    ).startswith("curate")
