"""Labels of images (unsafe, watermarked, ...) by any image-classification model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import Field

from curate import Column, Context, Input, Parameters, Scorer
from curate.scorers.image_classifier.image_labels import ImageLabels
from curate.scoring import Model
from curate.scoring.lm import label_index, load_cached_model
from curate.scoring.media import REJECTED_MEDIA, MediaSet, media_set_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_IMAGES, NOT_SEEN = "no images", "an image cannot be seen"
# Bounds the decoded images in memory.
_IMAGES_PER_BATCH = 32


class ImageClassifierParams(Parameters):
    """Parameters of `image_classifier`."""

    model: Model = Field(description="Image-classification model, such as one for NSFW.")
    label: str | None = Field(
        None, description="Label whose probability is computed; default the last one."
    )


class ImageClassifier(Scorer[ImageClassifierParams]):
    """Compute the probability that an image-classification model gives to a label.

    `chosen` and `rejected` are the highest probability among each answer's images (0 to 1),
    `highest` among all images of the pair. Each distinct image is classified once. Use it to find
    unsafe or watermarked images with a classifier of your own.

    Examples:
        >>> step = ImageClassifier(model="org/nsfw-detector", label="nsfw")
        >>> [column.name for column in step.columns()]
        ['chosen', 'rejected', 'highest', 'status']
    """

    name = "image_classifier"
    purpose = "rewards and models"
    when = "For unsafe or watermarked images, by a classifier of your own."
    summary = "probability of a label (nsfw, watermark...) by any image-classification model"
    inputs = frozenset({Input.TEXTS, Input.MEDIA, Input.MODEL})
    Params = ImageClassifierParams

    def columns(self) -> tuple[Column, ...]:
        """Return both answers and the highest value; which end is good depends on the label."""
        return (
            Column("chosen", "probability for the chosen answer's images, or the shared ones"),
            Column("rejected", "probability for the rejected answer's images, or the shared ones"),
            Column("highest", "highest probability of any image of the pair", unit="0 to 1"),
            Column("status", f"ok, '{NO_IMAGES}' or '{NOT_SEEN}'", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Score all pairs."""
        spec = self.params.model
        key = ("image labels", spec)
        model = load_cached_model(context, key, lambda: ImageLabels(spec, context.inference))
        media = media_set_for(pairs, "images", context)
        values = self._label_probabilities(media, model, context)
        rows = []
        rejected_media = media.of[REJECTED_MEDIA["images"]]
        for shared, rejected_images in zip(media.of["images"], rejected_media, strict=True):
            chosen, rejected = (
                shared or (),
                rejected_images if rejected_images is not None else shared or (),
            )
            probabilities = values[[*chosen, *rejected]]
            if not len(probabilities) or np.isnan(probabilities).any():
                rows.append((None, None, None, NOT_SEEN if len(probabilities) else NO_IMAGES))
                continue
            # The worst image counts: one is enough to spoil an answer.
            sides = (max(values[list(s)], default=None) for s in (chosen, rejected))
            rows.append((*sides, probabilities.max(), "ok"))
        return pl.DataFrame(rows, schema={c.name: c.dtype for c in self.columns()}, orient="row")

    def _label_probabilities(
        self, media: MediaSet, model: ImageLabels, context: Context
    ) -> NDArray[np.float64]:
        """Return the label's probability of each distinct image, NaN where it cannot be decoded."""
        probabilities = np.full(len(media), np.nan)
        label_column = label_index(self.params.label, model.labels, self.name)
        with context.progress.task(self.name, len(media)) as task:
            for start in range(0, len(media), _IMAGES_PER_BATCH):
                numbers = np.arange(start, min(start + _IMAGES_PER_BATCH, len(media)))
                decoded = media.decoded(numbers.tolist())
                images = [d.value for d in decoded if d.value is not None]
                # A batch of undecodable files would be empty.
                if images:
                    decoded_mask = np.array([d.value is not None for d in decoded])
                    probabilities[numbers[decoded_mask]] = model.probabilities(images)[
                        :, label_column
                    ]
                task.advance(len(numbers))
        return probabilities
