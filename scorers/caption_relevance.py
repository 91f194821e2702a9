"""How well its own caption fits each image, and how similar both captions are."""

from __future__ import annotations

import numpy as np
import polars as pl
from pydantic import Field

from curate import HIGHER, LOWER, Column, Context, Input, Parameters, Scorer
from curate.scoring import extra_value
from curate.scoring.media import DECODED, media_status
from curate.scoring.texts import SLOT_KEY

NO_CAPTIONS = "no captions"
_SIDES = ("chosen", "rejected")


class CaptionRelevanceParams(Parameters):
    """Parameters of `caption_relevance`."""

    first: str = Field(
        "caption_0", min_length=1, description="Key of `extra` with the first answer's caption."
    )
    second: str = Field(
        "caption_1", min_length=1, description="Key of `extra` with the second answer's caption."
    )


class CaptionRelevance(Scorer[CaptionRelevanceParams]):
    """Compute cosines of each image with its caption and with the prompt, and of the two captions.

    `chosen` and `rejected` are cos(image, its caption); `chosen_gain` and `rejected_gain` subtract
    cos(image, prompt); `overlap` is the cosine of the two captions, from -1 to 1. DCPO (arXiv
    2502.06023, sec. 3) writes a caption for each image, since one prompt describes the rejected
    image badly; it measures captions by CLIPScore, here they are plain cosines. The slot that the
    label named (`chosen_slot`, and `flipped`) decides which caption belongs to the chosen answer;
    without a slot it is the first. Use it on image pairs with a caption for each image.

    Examples:
        >>> step = CaptionRelevance(first="caption_0", second="caption_1")
        >>> [column.name for column in step.columns()][:4]
        ['chosen', 'rejected', 'chosen_gain', 'rejected_gain']
    """

    name = "caption_relevance"
    purpose = "rewards and models"
    when = "On image pairs with a caption for each image (Pick-Double Caption)."
    summary = "how well its own caption fits each image, and how similar both captions are (DCPO)"
    reference = "DCPO, arXiv 2502.06023, sec. 3"
    inputs = frozenset({Input.TEXTS, Input.EMBEDDINGS, Input.MEDIA})
    Params = CaptionRelevanceParams

    def columns(self) -> tuple[Column, ...]:
        """Return four cosines of images, one of the captions, and the status."""
        return (
            Column("chosen", "cosine of the chosen image and its caption", "float", HIGHER),
            Column("rejected", "cosine of the rejected image and its caption", "float", HIGHER),
            Column("chosen_gain", "the same minus that of image and prompt", "float", HIGHER),
            Column("rejected_gain", "the same for the rejected image", "float", HIGHER),
            Column("overlap", "cosine of both captions", "float", LOWER, "-1 to 1"),
            Column("status", f"ok, '{NO_CAPTIONS}', 'answers are texts' or 'not seen'", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Score all pairs with two captions."""
        if context.embed is None:
            raise RuntimeError("this step needs the run's embedder")
        captions = self._captions(pairs)
        has_captions = captions.select(k=pl.all_horizontal(pl.all().is_not_null()))["k"]
        status = media_status(pairs, context.features)
        status = status.set(~has_captions & (status == DECODED), NO_CAPTIONS)
        rows = np.flatnonzero((status == DECODED).to_numpy())
        scores = {c.name: np.full(len(pairs), np.nan) for c in self.columns() if c.kind == "float"}
        if len(rows):
            texts = captions[rows]
            # Distinct captions only: one caption can be in many pairs.
            distinct = pl.concat([texts["chosen"], texts["rejected"]]).unique(maintain_order=True)
            vectors = context.embed(distinct.to_list())
            text_index = {text: i for i, text in enumerate(distinct)}
            caption_vectors = {
                side: vectors[[text_index[text] for text in texts[side]]] for side in _SIDES
            }
            for side in _SIDES:
                image = context.features.of(side, rows)
                scores[side][rows] = np.einsum("nd,nd->n", image, caption_vectors[side])
                prompt_cosine = np.einsum("nd,nd->n", image, context.features.of("prompt", rows))
                # Positive where the caption describes the image better than the prompt does.
                scores[f"{side}_gain"][rows] = scores[side][rows] - prompt_cosine
            scores["overlap"][rows] = np.einsum("nd,nd->n", *caption_vectors.values())
        numbers = {name: pl.Series(values).fill_nan(None) for name, values in scores.items()}
        return pl.DataFrame({**numbers, "status": status})

    def _captions(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Return captions of the chosen and the rejected answer."""
        p = self.params
        keys = {"first": p.first, "second": p.second, "slot": SLOT_KEY, "flipped": "flipped"}
        fields = {name: extra_value(key) for name, key in keys.items()}
        # A flip swaps the answers but leaves slot and captions as they were read.
        swapped = (pl.col("slot") == "2") ^ (pl.col("flipped") == "true").fill_null(False)
        swapped = swapped.fill_null(False)
        return pairs.select(**fields).select(
            chosen=pl.when(swapped).then("second").otherwise("first"),
            rejected=pl.when(swapped).then("first").otherwise("second"),
        )
