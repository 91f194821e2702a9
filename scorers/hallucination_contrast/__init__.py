"""Whether the preference for an answer vanishes when the image is masked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from pydantic import Field

from curate import HIGHER, Column, Context, Input, Parameters, Scorer
from curate.scorers.hallucination_contrast.vision_model import (
    VisionConversation,
    VisionModel,
    contrast_margins,
)
from curate.scoring import Model
from curate.scoring.lm import load_cached_model, lookup_or_compute
from curate.scoring.media import REJECTED_MEDIA, MediaSet, media_set_for
from curate.scoring.texts import text_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_IMAGES, OWN_IMAGES = "no images", "answers have images of their own"
# Bounds the decoded images in memory next to the model.
_PAIRS_PER_BATCH = 16


class HallucinationContrastParams(Parameters):
    """Parameters of `hallucination_contrast`."""

    model: Model = Field(description="Model of images and texts, with its processor.")


class HallucinationContrast(Scorer[HallucinationContrastParams]):
    """Measure how masking the images changes the preference of a vision-language model.

    `margin` is log p(chosen) - log p(rejected) with the images visible, `masked` the same with the
    attention to all image tokens masked in every layer, `contrast` = `margin` - `masked`, in nats.
    `chosen_gain` and `rejected_gain` are what the images add to each answer. BDHS (arXiv
    2407.02477) uses this mask to generate answers that hallucinate; the score is ours. A margin
    that masking leaves unchanged comes from the texts. Use it on answers about images.

    Examples:
        >>> step = HallucinationContrast(model="org/vision-model")
        >>> [column.name for column in step.columns()]
        ['contrast', 'margin', 'masked', 'chosen_gain', 'rejected_gain', 'status']
    """

    name = "hallucination_contrast"
    purpose = "rewards and models"
    when = "On answers about images (RLHF-V, RLAIF-V), with a vision-language model."
    summary = "effect of masking the images on the margin of both answers (BDHS's mask)"
    reference = "Understanding Alignment in Multimodal LLMs (BDHS), arXiv 2407.02477"
    inputs = frozenset({Input.TEXTS, Input.MEDIA, Input.MODEL})
    Params = HallucinationContrastParams

    def columns(self) -> tuple[Column, ...]:
        """Return margins with and without the image, and what it adds to each answer."""
        return (
            Column(
                "contrast", "margin minus the masked one", "float", HIGHER, "nats", evidence="named"
            ),
            Column(
                "margin",
                "margin of log-probabilities with images visible",
                "float",
                HIGHER,
                "nats",
                evidence="named",
            ),
            Column("masked", "the same with images masked", unit="nats"),
            Column("chosen_gain", "what images add to the chosen answer", unit="nats"),
            Column("rejected_gain", "what they add to the rejected answer", unit="nats"),
            Column("status", f"ok, '{NO_IMAGES}', '{OWN_IMAGES}', or why not", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Score all pairs whose answers share images."""
        spec = self.params.model
        key = ("vision", spec)
        model = load_cached_model(context, key, lambda: VisionModel(spec, context.inference))
        questions = _ImageQuestions(pairs, media_set_for(pairs, "images", context), model)
        rows = [i for i, status in enumerate(questions.status) if status == "ok"]
        # Keys contain the files' hashes, so that a changed file is scored again.
        keys = [questions.keys[i] for i in rows]

        def compute(missing: list[int]) -> Iterable[tuple[list[int], NDArray[np.float64]]]:
            with context.progress.task(f"{spec.name}: images", len(missing)) as task:
                for start in range(0, len(missing), _PAIRS_PER_BATCH):
                    batch = missing[start : start + _PAIRS_PER_BATCH]
                    yield batch, questions.values([rows[i] for i in batch])
                    task.advance(len(batch))

        namespace = ("vision", *model.identity)
        logprobs = lookup_or_compute(context.store, namespace, keys, 4, compute)
        values = np.full((len(pairs), 4), np.nan)
        values[rows] = logprobs
        # The reason for a missing value is only known once the image has been decoded.
        for row in np.flatnonzero(np.isnan(values).any(axis=1)).tolist():
            if questions.status[row] == "ok":
                questions.status[row] = questions.refusal(row)
        columns = {n: pl.Series(v).fill_nan(None) for n, v in contrast_margins(values).items()}
        frame = pl.DataFrame({**columns, "status": questions.status})
        return frame.select(c.name for c in self.columns())


class _ImageQuestions:
    """The pairs as questions to a vision-language model, with their status and cache keys."""

    def __init__(self, pairs: pl.DataFrame, media: MediaSet, model: VisionModel) -> None:
        self._pairs, self._media, self._model = pairs, media, model
        rejected_images = media.of[REJECTED_MEDIA["images"]]
        self.status = [
            OWN_IMAGES if own_image is not None else "ok" if shared else NO_IMAGES
            for shared, own_image in zip(media.of["images"], rejected_images, strict=True)
        ]
        texts = text_keys(pairs).rows()
        image_keys = (media.content_keys(numbers) for numbers in media.of["images"])
        self.keys = [(*row, *files) for row, files in zip(texts, image_keys, strict=True)]

    def values(self, rows: list[int]) -> NDArray[np.float64]:
        """Return (rows, 4) log-probabilities of chosen and rejected, each visible and masked."""
        logprobs = np.full((len(rows), 4), np.nan)
        sequences: list[VisionConversation] = []
        positions = []
        for row_index, row in enumerate(rows):
            encoded = self._encode_row(row)
            if not isinstance(encoded, str):
                # Two values per answer: with the image visible, and with its tokens masked.
                sequences += encoded
                positions += [(row_index, 0), (row_index, 2)]
        for sequence_rows, values in self._model.logprobs(sequences):
            for i, pair in zip(sequence_rows, values, strict=True):
                row_index, column = positions[i]
                logprobs[row_index, column : column + 2] = pair
        return logprobs

    def refusal(self, row: int) -> str:
        """Return why a pair cannot be scored."""
        encoded = self._encode_row(row)
        return encoded if isinstance(encoded, str) else "no value"

    def _encode_row(self, row: int) -> list[VisionConversation] | str:
        images: list[Any] = []
        for medium in self._media.decoded(self._media.of["images"][row] or ()):
            if medium.value is None:
                return f"an image is {medium.facts.problem}"
            images.append(medium.value)
        pair = self._pairs.row(row, named=True)
        encoded = []
        for side in ("chosen", "rejected"):
            written = self._model.encode(pair["prompt"], pair[side], images)
            if isinstance(written, str):
                return written
            if not written.answer:
                return "answer without tokens"
            encoded.append(written)
        return encoded
