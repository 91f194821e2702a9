"""Static embeddings: the mean of a text's token vectors, for CPUs and millions of texts."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from curate.models.embed.batch_embedder import BatchEmbedder
from curate.models.embed.fingerprint import hash_files
from curate.models.embed.settings import STATIC
from curate.models.embed.word_tokens import WordTokens
from curate.optional_packages import need

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WEIGHTS, _TOKENIZER = "weights/l2_supercat_256.safetensors", "l2_supercat_tokenizer_config.json"
_BATCH = 8192


def static_folder() -> Path | None:
    """Return the folder of the package that holds the vectors, or None where it is not
    installed."""
    spec = importlib.util.find_spec("wordllama")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def static_hash() -> str | None:
    """Return what identifies vectors and tokenizer, or None where they are not installed."""
    home = static_folder()
    if home is None:
        return None
    return hash_files(home, [home / _WEIGHTS, home / "tokenizers" / _TOKENIZER])


class StaticEmbedder(BatchEmbedder):
    """Mean of WordLlama's 256-dimensional token vectors, to unit length.

    The vectors come in the wheel of wordllama (github.com/dleemiller/WordLlama). Words count, their
    order does not. A text without tokens gets the vector 0.

    Args:
        max_tokens: longest text in tokens; longer ones lose their end. None: whole texts.

    Raises:
        CurateError: the extra is not installed.
    """

    device = "cpu"
    name = STATIC

    def __init__(self, max_tokens: int | None = None) -> None:
        need("wordllama", "static", "embedder.name: static")
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        home = static_folder()
        assert home is not None
        self.max_tokens = max_tokens
        self._vectors = load_file(home / _WEIGHTS)["embedding.weight"].float()
        self._tokenizer = Tokenizer.from_file(str(home / "tokenizers" / _TOKENIZER))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._tokens = WordTokens(self._tokenizer)

    @cached_property
    def fingerprint(self) -> str:
        """Return what identifies vectors, tokenizer and length limit, for the store's keys."""
        return f"{static_hash()}/{self.max_tokens}"

    @property
    def dim(self) -> int:
        """Return the dimension of a vector."""
        return self._vectors.shape[1]

    def count_cut(self, texts: list[str]) -> int:
        """Return how many of the texts are longer than `max_tokens`."""
        if self.max_tokens is None:
            return 0
        return int((self._tokens.ids(texts)[1] > self.max_tokens).sum())

    def batches(self, texts: list[str]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Yield embeddings of some of the texts at a time, and which they are."""
        for start in range(0, len(texts), _BATCH):
            part = texts[start : start + _BATCH]
            yield np.arange(start, start + len(part)), self._batch(part)

    def _batch(self, texts: list[str]) -> NDArray[np.float32]:
        ids, counts = self._tokens.ids(texts)
        starts = np.cumsum(counts) - counts
        if self.max_tokens is not None:
            ids = ids[np.arange(len(ids)) - np.repeat(starts, counts) < self.max_tokens]
            counts = np.minimum(counts, self.max_tokens)
            starts = np.cumsum(counts) - counts
        means = torch.nn.functional.embedding_bag(
            torch.from_numpy(ids), self._vectors, torch.from_numpy(starts), mode="mean"
        )
        vectors: NDArray[np.float32] = torch.nn.functional.normalize(means, dim=1).numpy()
        return vectors
