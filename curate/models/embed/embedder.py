"""Sentence embeddings in batches by token budget, halved when memory runs out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from curate.data.prefetch import read_ahead
from curate.errors import CurateError, first_line
from curate.models.embed.batch_embedder import BatchEmbedder
from curate.models.embed.batching import delay_by_one, run_with_oom_retry, token_budget_batches
from curate.models.embed.device import choose_device, move_to_device
from curate.models.embed.fingerprint import hash_files
from curate.models.embed.int8 import cosine_to_exact, validation_texts
from curate.models.embed.openvino import INT8, OPENVINO, openvino_version, use_openvino
from curate.models.embed.settings import SHIPPED, STATIC
from curate.models.embed.shipped_model import check_shipped_model, shipped_folder
from curate.models.embed.static import static_hash

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

# Of English; estimated lengths only decide the order of batches.
_CHARS_PER_TOKEN = 4
_MOST_CHARS_PER_TOKEN = 32
"""Times the length limit in tokens: characters of a text that are tokenised at all."""

ModelInputs = dict[str, object]
"""What a model is given of a batch: tensors, and options."""


class Embedder(BatchEmbedder):
    """Embeds texts by a sentence-transformers model, to unit length.

    Texts are tokenised in a thread of their own while the model works on the batch before. Of a
    text its first 32 characters for each token of the limit are looked at (8,192 of MiniLM's 256
    tokens): a whole book need not be tokenised for its first page. Only texts of longer tokens,
    such as long runs of white space, lose something by it.

    Args:
        name: "minilm" (all-MiniLM-L6-v2, shipped in a wheel), a folder, or a name on the hub.
        device: "auto" or a torch device.
        batch_tokens: tokens in a batch, padding included.
        max_tokens: longest text in tokens; longer ones lose their end. Default the model's own.
        backend: "torch", or "openvino" or "openvino-int8" on a CPU.
    """

    max_tokens: int

    def __init__(
        self,
        name: str = SHIPPED,
        device: str = "auto",
        batch_tokens: int = 8192,
        max_tokens: int | None = None,
        backend: str = "torch",
    ) -> None:
        self.name, self.backend = name, backend
        fast = backend in (OPENVINO, INT8)
        self.device = "cpu" if fast else choose_device(device)
        self.batch_tokens = batch_tokens
        self._model = _load_transformer(name, self.device)
        if max_tokens is not None:
            self._model.max_seq_length = max_tokens
        self.max_tokens = int(self._model.max_seq_length or 512)
        # Before its forward pass is another: the model need not be loaded twice.
        exact = self.encode(validation_texts()) if backend == INT8 else None
        if fast:
            use_openvino(self._model, name, backend)
        if exact is not None:
            self.rounding_error = cosine_to_exact(self.encode(validation_texts()), exact)

    @property
    def dim(self) -> int:
        """Return the dimension of a vector."""
        return self._model.get_embedding_dimension() or 0

    @cached_property
    def fingerprint(self) -> str:
        """Return what identifies the weights and the length limit, for the store's keys."""
        identity = model_hash(self.name)
        if identity is None:
            config = getattr(getattr(self._model[0], "auto_model", None), "config", None)
            identity = f"{self.name}@{getattr(config, '_commit_hash', None)}"
        if self.backend in (OPENVINO, INT8):
            identity = f"{identity}/{openvino_version(self.backend)}"
        # In mixed precision vectors differ in their third digit.
        precision = "/bfloat16" if self.device.startswith("cuda") else ""
        return f"{identity}/{self.max_tokens}{precision}"

    def count_cut(self, texts: list[str]) -> int:
        """Return how many of the texts are longer than `max_tokens`, marks of begin and end
        included."""
        most, tokenizer = _MOST_CHARS_PER_TOKEN * self.max_tokens, self._model.tokenizer
        capped_texts = [text[:most] for text in texts]
        ids = tokenizer(capped_texts, truncation=False, verbose=False)["input_ids"] if texts else []
        both = zip(texts, ids, strict=True)
        return sum(len(text) > most or len(row) > self.max_tokens for text, row in both)

    def batches(self, texts: list[str]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Yield embeddings of some of the texts at a time, longest first, and which they are."""
        most = _MOST_CHARS_PER_TOKEN * self.max_tokens
        texts = [text[:most] for text in texts]
        lengths = np.array(
            [min(len(t) // _CHARS_PER_TOKEN + 2, self.max_tokens) for t in texts], dtype=np.int64
        )
        for rows, vectors in delay_by_one(self._encoded(texts, lengths)):
            yield rows, vectors.cpu().numpy()

    def _encoded(
        self, texts: list[str], lengths: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
        where = f"{self.name} on {self.device}"
        for rows, batch, inputs in read_ahead(self._tokenised(texts, lengths)):
            ready = {len(batch): inputs}

            def run(part: Sequence[str], ready: dict[int, ModelInputs] = ready) -> list[Tensor]:
                return [self._encode_batch(part, ready.pop(len(part), None))]

            yield rows, torch.cat(run_with_oom_retry(batch, run, where))

    def _tokenised(
        self, texts: list[str], lengths: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], list[str], ModelInputs]]:
        for rows in token_budget_batches(lengths, self.batch_tokens):
            batch = [texts[i] for i in rows]
            yield rows, batch, self._model.preprocess(batch)

    def _encode_batch(self, texts: Sequence[object], inputs: ModelInputs | None) -> Tensor:
        mixed: AbstractContextManager[object] = nullcontext()
        if self.device.startswith("cuda"):
            mixed = torch.autocast("cuda", dtype=torch.bfloat16)
        inputs = inputs or self._model.preprocess(list(texts))
        moved = {
            k: move_to_device(v, self.device) if isinstance(v, Tensor) else v
            for k, v in inputs.items()
        }
        with mixed, torch.inference_mode():
            vectors: Tensor = self._model(moved)["sentence_embedding"].float()
            return torch.nn.functional.normalize(vectors, dim=1)


def model_folder(name: str) -> Path | None:
    """Return the folder of a model that lies on this machine, None for a name on the hub."""
    if name == SHIPPED:
        return shipped_folder()
    return Path(name) if Path(name).is_dir() else None


def model_hash(name: str) -> str | None:
    """Return what identifies a local model's files; None for a name on the hub."""
    if name == STATIC:
        return static_hash()
    folder = model_folder(name)
    return hash_files(folder) if folder is not None else None


def _load_transformer(name: str, device: str) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    if name == SHIPPED:
        check_shipped_model(shipped_folder())
    try:
        return SentenceTransformer(str(model_folder(name) or name), device=device)
    except (OSError, ValueError) as error:
        raise CurateError(
            "the embedder could not be loaded",
            where="embedder.name",
            found=f"{name}: {first_line(error)}",
            expected="minilm, a folder, or a sentence-transformers model of the hub",
        ) from None
