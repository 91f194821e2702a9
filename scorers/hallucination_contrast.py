"""Whether the preference for an answer vanishes when the image is masked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from pydantic import Field

from curate import HIGHER, Column, Context, Parameters, Scorer
from curate.data.row_parts import REJECTED_MEDIA
from curate.data.table import text_keys
from curate.models.lm.answers import load_cached_model
from curate.models.lm.conversations import lookup_or_compute
from curate.models.lm.vision_model import VisionConversation, VisionModel, contrast_margins
from curate.models.media.media_set import MediaSet, media_set_for
from curate.steps.models import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_IMAGES, OWN_IMAGES = "no images", "answers have images of their own"
# Images at a time beside the model.
_BATCH = 16


class HallucinationContrastParams(Parameters):
    """Parameters of `hallucination_contrast`."""

    model: Model = Field(description="Model of images and texts, with its processor.")


class HallucinationContrast(Scorer[HallucinationContrastParams]):
    """log p(chosen) - log p(rejected) with the images seen, and with them masked.

    BDHS masks the attention to (a share of) the image tokens to draw answers that hallucinate. The
    same mask, of all image tokens in every layer, tells here what the image adds to a preference:
    a margin that stays is one of texts alone. The score is ours; the paper generates answers.
    """

    name = "hallucination_contrast"
    purpose = "rewards and models"
    when = "On answers about images (RLHF-V, RLAIF-V), with a model that sees."
    summary = "what masking the image does to the margin of both answers (BDHS's mask)"
    reference = "Understanding Alignment in Multimodal LLMs (BDHS), arXiv 2407.02477"
    reads_media = True
    Params = HallucinationContrastParams

    def columns(self) -> tuple[Column, ...]:
        """Margins with and without the image, and what it adds to each answer."""
        return (
            Column(
                "contrast", "margin minus the masked one", "float", HIGHER, "nats", evidence="named"
            ),
            Column(
                "margin",
                "of log-probabilities, images seen",
                "float",
                HIGHER,
                "nats",
                evidence="named",
            ),
            Column("masked", "the same with images masked", unit="nats"),
            Column("chosen_gain", "what images add to the preferred answer", unit="nats"),
            Column("rejected_gain", "what they add to the other answer", unit="nats"),
            Column("status", f"ok, '{NO_IMAGES}', '{OWN_IMAGES}', or why not", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Of all pairs with images in common."""
        spec = self.params.model
        key = ("vision", spec)
        model = load_cached_model(context, key, lambda: VisionModel(spec, context.inference))
        asked = _Asked(pairs, media_set_for(pairs, "images", context), model)
        rows = [i for i, told in enumerate(asked.status) if told == "ok"]
        # Keys hold the files' contents: a file that changed under its name is asked about again.
        keys = [asked.keys[i] for i in rows]

        def compute(missing: list[int]) -> Iterable[tuple[list[int], NDArray[np.float64]]]:
            with context.progress.task(f"{spec.name}: images", len(missing)) as task:
                for start in range(0, len(missing), _BATCH):
                    own = missing[start : start + _BATCH]
                    yield own, asked.values([rows[i] for i in own])
                    task.advance(len(own))

        namespace = ("vision", *model.identity)
        found = lookup_or_compute(context.store, namespace, keys, 4, compute)
        values = np.full((len(pairs), 4), np.nan)
        values[rows] = found
        # A pair that was asked about and has no value: say why, once the image has been looked at.
        for row in np.flatnonzero(np.isnan(values).any(axis=1)).tolist():
            if asked.status[row] == "ok":
                asked.status[row] = asked.refusal(row)
        columns = {n: pl.Series(v).fill_nan(None) for n, v in contrast_margins(values).items()}
        frame = pl.DataFrame({**columns, "status": asked.status})
        return frame.select(c.name for c in self.columns())


class _Asked:
    """The pairs as a model of images is asked about them."""

    def __init__(self, pairs: pl.DataFrame, media: MediaSet, model: VisionModel) -> None:
        self._pairs, self._media, self._model = pairs, media, model
        own = media.of[REJECTED_MEDIA["images"]]
        self.status = [
            OWN_IMAGES if other is not None else "ok" if shared else NO_IMAGES
            for shared, other in zip(media.of["images"], own, strict=True)
        ]
        texts = text_keys(pairs).rows()
        shown = (media.content_keys(numbers) for numbers in media.of["images"])
        self.keys = [(*row, *files) for row, files in zip(texts, shown, strict=True)]

    def values(self, rows: list[int]) -> NDArray[np.float64]:
        """(rows, 4) log-probabilities of chosen and rejected, each seen and masked."""
        out = np.full((len(rows), 4), np.nan)
        sequences: list[VisionConversation] = []
        places = []
        for at, row in enumerate(rows):
            both = self._written(row)
            if not isinstance(both, str):
                # Of both answers two values each: with the image, and with its tokens masked.
                sequences += both
                places += [(at, 0), (at, 2)]
        for found, values in self._model.logprobs(sequences):
            for i, pair in zip(found, values, strict=True):
                at, column = places[i]
                out[at, column : column + 2] = pair
        return out

    def refusal(self, row: int) -> str:
        """Why a pair cannot be asked about."""
        both = self._written(row)
        return both if isinstance(both, str) else "no value"

    def _written(self, row: int) -> list[VisionConversation] | str:
        images: list[Any] = []
        for seen in self._media.decoded(self._media.of["images"][row] or ()):
            if seen.value is None:
                return f"an image is {seen.seen.problem}"
            images.append(seen.value)
        pair = self._pairs.row(row, named=True)
        made = []
        for side in ("chosen", "rejected"):
            written = self._model.encode(pair["prompt"], pair[side], images)
            if isinstance(written, str):
                return written
            if not written.answer:
                return "answer without tokens"
            made.append(written)
        return made
