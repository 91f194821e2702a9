"""Refuses files that are not what their names say, by their first bytes."""

from __future__ import annotations

import re

from curate.errors import CurateError

_LFS = b"version https://git-lfs.github.com/spec/"
_PAGE = re.compile(rb"\s*<(!doctype html|html)\b", re.IGNORECASE)
_MAGIC = {
    b"\x1f\x8b": ("gzip", ".gz"),
    b"BZh91AY&SY": ("bzip2", ".bz2"),
    b"\xfd7zXZ\x00": ("xz", ".xz"),
    b"\x28\xb5\x2f\xfd": ("zstandard", ".zst"),
    b"PK\x03\x04": ("a zip archive", ".zip"),
    b"PAR1": ("Parquet", ".parquet"),
    b"ARROW1": ("Arrow", ".arrow"),
}
"""First bytes of file types, with the type's name and the file extension that reads it."""


def check_magic_bytes(head: bytes, where: str, text: bool) -> None:
    """Refuse content that is not data, or of another type than the name says.

    Args:
        head: the first bytes, unpacked.
        where: for the error.
        text: whether the name says that rows are text.

    Raises:
        CurateError: with the type that was found, and instructions for getting the data.
    """
    # A clone without git-lfs has these: a parser would only find fault with line 1.
    if head.startswith(_LFS):
        raise CurateError(
            "the file is a pointer of Git LFS, not the data",
            where=where,
            found="a few lines that name the data's checksum and size",
            fix="git lfs pull, or download the file itself",
        )
    # Servers answer a missing login with a page and the status of success.
    if _PAGE.match(head):
        raise CurateError(
            "the file is a web page, not data",
            where=where,
            found="HTML",
            fix="download the file itself: a login or an error page was saved in its place",
        )
    signature = next(
        (signature_kind for magic, signature_kind in _MAGIC.items() if head.startswith(magic)), None
    )
    if text and signature is not None:
        kind, ending = signature
        raise CurateError(
            f"the file is {kind}, which its name does not say",
            where=where,
            found=f"the first bytes of {kind}",
            fix=f"rename it to end in {ending}",
        )
