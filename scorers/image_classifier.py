"""Unsafe, watermarked, photographic...: what any image-classification model says of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from pydantic import Field

from curate import Column, Context, Parameters, Scorer
from curate.data.row_parts import REJECTED_MEDIA
from curate.models.lm.answers import load_cached_model
from curate.models.lm.classifier import label_index
from curate.models.media.image_labels import ImageLabels
from curate.models.media.media_set import MediaSet, media_set_for
from curate.steps.models import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_IMAGES, NOT_SEEN = "no images", "an image cannot be seen"
_BATCH = 32


class ImageClassifierParams(Parameters):
    """Parameters of `image_classifier`."""

    model: Model = Field(description="Image-classification model, such as one for NSFW.")
    label: str | None = Field(
        None, description="Label whose probability is wanted; default the last one."
    )


class ImageClassifier(Scorer[ImageClassifierParams]):
    """Probability of a label, the highest of an answer's images; each distinct image once."""

    name = "image_classifier"
    purpose = "rewards and models"
    when = "For unsafe or watermarked images, by a classifier of your own."
    summary = "probability of a label (nsfw, watermark...) by any image-classification model"
    reads_media = True
    Params = ImageClassifierParams

    def columns(self) -> tuple[Column, ...]:
        """Both answers' images, and the highest of all; which end is good depends on the label."""
        return (
            Column("chosen", "of the preferred answer's images, or of those in common"),
            Column("rejected", "of the other answer's images, or of those in common"),
            Column("highest", "of any image of the pair", unit="0 to 1"),
            Column("status", f"ok, '{NO_IMAGES}' or '{NOT_SEEN}'", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Of all pairs."""
        spec = self.params.model
        key = ("image labels", spec)
        model = load_cached_model(context, key, lambda: ImageLabels(spec, context.inference))
        media = media_set_for(pairs, "images", context)
        values = self._values(media, model, context)
        rows = []
        other = media.of[REJECTED_MEDIA["images"]]
        for shared, own in zip(media.of["images"], other, strict=True):
            chosen, rejected = shared or (), own if own is not None else shared or ()
            found = values[[*chosen, *rejected]]
            if not len(found) or np.isnan(found).any():
                rows.append((None, None, None, NOT_SEEN if len(found) else NO_IMAGES))
                continue
            # Of several images the worst counts: one is enough to spoil an answer.
            sides = (max(values[list(s)], default=None) for s in (chosen, rejected))
            rows.append((*sides, found.max(), "ok"))
        return pl.DataFrame(rows, schema={c.name: c.dtype for c in self.columns()}, orient="row")

    def _values(self, media: MediaSet, model: ImageLabels, context: Context) -> NDArray[np.float64]:
        """The label's probability of each distinct image, NaN where it cannot be seen."""
        out = np.full(len(media), np.nan)
        wanted = label_index(self.params.label, model.labels, self.name)
        with context.progress.task(self.name, len(media)) as task:
            for start in range(0, len(media), _BATCH):
                numbers = np.arange(start, min(start + _BATCH, len(media)))
                decoded = media.decoded(numbers.tolist())
                whole = [d.value for d in decoded if d.value is not None]
                if whole:
                    seen = np.array([d.value is not None for d in decoded])
                    out[numbers[seen]] = model.probabilities(whole)[:, wanted]
                task.advance(len(numbers))
        return out
