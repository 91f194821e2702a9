"""Which forms have a place for what pairs hold besides plain texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from curate.data.content_kinds import FILE_BYTES
from curate.errors import CurateError
from curate.option_names import is_command_line

if TYPE_CHECKING:
    from curate.write.exports.base import Export, Prompt
    from curate.write.exports.media_files import MediaCarrier


def unsupported_content(form: Export, parts: Mapping[str, int], file_type: str) -> dict[str, int]:
    """Return the kinds of content that the format cannot represent, with their counts."""
    holds = form.supported_content(file_type)
    return {part: count for part, count in parts.items() if part not in holds}


def require_supported_content(
    form: Export,
    parts: Mapping[str, int],
    file_type: str,
    pairs: int,
    able_exports: Sequence[str],
    where: str,
) -> None:
    """Refuse to write pairs whose parts the form would lose.

    Args:
        form: of the export.
        parts: that the pairs have, and how many have each.
        file_type: of the shards.
        pairs: number of all pairs.
        able_exports: the forms that hold all these parts.
        where: the form is asked for.

    Raises:
        CurateError: with the parts, the number of pairs that have each, and the other forms.
    """
    lacking = form.needs - {part for part, n in parts.items() if n}
    if lacking:
        raise CurateError(
            f"the format '{form.name}' is for other data",
            where=where,
            found=f"no {', '.join(sorted(lacking))}",
            expected=f"data with {', '.join(sorted(form.needs))}",
        )
    # Before anything is written: a shard without its images looks like a shard.
    lost = unsupported_content(form, parts, file_type)
    if lost:
        forms = ", ".join(able_exports) or "none in this kind of file (see file_type)"
        raise CurateError(
            f"the format '{form.name}' cannot represent some content",
            where=where,
            found="; ".join(f"{part} in {n:,} of {pairs:,} pairs" for part, n in lost.items()),
            expected=f"a format that supports it: {forms}",
            fix=f"choose one of these, or drop the content with {_allowing()}",
        )


def check_export_settings(
    form: Export, prompt: Prompt | None, media: MediaCarrier, file_type: str, where: str
) -> None:
    """Refuse prompts and media that the form cannot write.

    Args:
        form: of the export.
        prompt: see `ShardSchema`; None: as the form does.
        media: see `MediaFileWriter`.
        file_type: of the shards.
        where: it is asked for.

    Raises:
        CurateError: the form knows no such prompts, or has no place for the files of media.
    """
    if prompt is not None and prompt not in form.prompts:
        raise CurateError(
            f"the format '{form.name}' does not support an {prompt} prompt",
            where=where,
            found=f"prompt: {prompt}",
            expected=f"prompt: {' or '.join(form.prompts)}, or the format trl or trl_reward",
        )
    if media == "embed" and FILE_BYTES not in form.supported_content(file_type):
        raise CurateError(
            "the shards cannot embed media files",
            where=where,
            found=f"media: embed with the format '{form.name}' as {file_type}",
            expected="parquet or dataset, in a format that can embed media",
            fix="use media: paths, or another format or file_type",
        )


def single_answers_note(form: str, written: str) -> str:
    """Return the note that single answers are written in another form than was asked for."""
    return f"the rows are single answers: written in the format '{written}' instead of '{form}'"


def check_file_type(form: Export, file_type: str) -> None:
    """Refuse a kind of file that cannot hold the form's columns.

    Raises:
        CurateError: the columns hold bytes, and the file is to be JSON.
    """
    if form.binary and file_type == "jsonl":
        raise CurateError(
            f"the format '{form.name}' contains bytes, which JSON cannot store",
            where="file_type",
            found="jsonl",
            expected="parquet or dataset",
        )


def content_loss_warnings(form: Export, parts: Mapping[str, int], file_type: str) -> list[str]:
    """Return warnings about content that is lost or rewritten."""
    lost = unsupported_content(form, parts, file_type)
    warnings = [
        f"{part} of {count:,} pairs are lost in the format '{form.name}' (allow_loss)"
        for part, count in lost.items()
    ]
    rewritten = {part: n for part, n in parts.items() if part in form.rewrites}
    return warnings + [
        f"{part} of {n:,} pairs: {form.rewrites[part]}" for part, n in rewritten.items()
    ]


def _allowing() -> str:
    """Return how a caller accepts the loss."""
    return "allow_loss: true (--allow-loss)" if is_command_line() else "allow_loss=True"
