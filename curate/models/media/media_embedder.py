"""Embeds texts, images and audios into one space: CLIP, SigLIP, CLAP and their like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from curate.models.embed.batching import run_with_oom_retry
from curate.models.embed.choice import unsupported_answers_error
from curate.models.embed.embedder import Embedder
from curate.models.embed.settings import EmbedderConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from curate.models.media.decoding import Medium

_MODALITIES = {"images": "image", "audios": "audio"}
"""By the column of the pair table; videos are not decoded, whatever a model takes."""


class MediaEmbedder(Embedder):
    """A sentence-transformers model of several modalities; vectors are of length 1."""

    def check(self, column: str) -> None:
        """Make sure that the model embeds what a column of media holds.

        Raises:
            CurateError: it does not.
        """
        modality = _MODALITIES.get(column)
        if modality is None or not self._model.supports(modality):
            raise unsupported_answers_error(
                self.name, column, ", ".join(map(str, self._model.modalities))
            )

    def encode_media(self, media: Sequence[Medium]) -> NDArray[np.float32]:
        """Return vectors of decoded images, or of audios {array, sampling_rate}; (media, dim)."""

        def run(batch: Sequence[Medium]) -> list[torch.Tensor]:
            return [self._encode_batch(batch, None)]

        vectors = run_with_oom_retry(media, run, f"{self.name} on {self.device}")
        return torch.cat(vectors).cpu().numpy()


def media_embedder(settings: EmbedderConfig, columns: Sequence[str]) -> MediaEmbedder:
    """Return the embedder of the settings for answers of these kinds, loaded.

    Raises:
        CurateError: it does not embed them.
    """
    s = settings
    embedder = MediaEmbedder(s.name, s.device, s.batch_tokens, s.max_tokens)
    for column in columns:
        embedder.check(column)
    return embedder
