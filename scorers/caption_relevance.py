"""How well a caption of its own fits each image, and how far both captions lie apart."""

from __future__ import annotations

import numpy as np
import polars as pl
from pydantic import Field

from curate import HIGHER, LOWER, Column, Context, Parameters, Scorer
from curate.data.extra_column import SLOT_KEY, extra_value
from curate.models.media.answers import DECODED, media_status

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
    """Cosines of each image with its own caption and with the prompt, and of both captions.

    DCPO writes a caption for each image, since one prompt fits the rejected image badly. Which
    caption is the chosen answer's is told by the slot that the label named (`chosen_slot`, and
    `flipped`); without one the first is. The paper measures captions by CLIPScore; these are plain
    cosines.
    """

    name = "caption_relevance"
    purpose = "rewards and models"
    when = "On image pairs with a caption for each image (Pick-Double Caption)."
    summary = "how well its own caption fits each image, and how alike both captions are (DCPO)"
    reference = "DCPO, arXiv 2502.06023, sec. 3"
    needs_embeddings = True
    reads_media = True
    Params = CaptionRelevanceParams

    def columns(self) -> tuple[Column, ...]:
        """Four cosines of images, one of the captions, and why there are none."""
        return (
            Column("chosen", "cosine of the preferred image and its caption", "float", HIGHER),
            Column("rejected", "cosine of the other image and its caption", "float", HIGHER),
            Column("chosen_gain", "the same minus that of image and prompt", "float", HIGHER),
            Column("rejected_gain", "of the other image", "float", HIGHER),
            Column("overlap", "cosine of both captions", "float", LOWER, "-1 to 1"),
            Column("status", f"ok, '{NO_CAPTIONS}', 'answers are texts' or 'not seen'", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Of all pairs with two captions."""
        if context.embed is None:
            raise RuntimeError("this step needs the run's embedder")
        captions = self._captions(pairs)
        known = captions.select(k=pl.all_horizontal(pl.all().is_not_null()))["k"]
        status = media_status(pairs, context.features)
        status = status.set(~known & (status == DECODED), NO_CAPTIONS)
        rows = np.flatnonzero((status == DECODED).to_numpy())
        out = {c.name: np.full(len(pairs), np.nan) for c in self.columns() if c.kind == "float"}
        if len(rows):
            texts = captions[rows]
            # A caption may stand in many pairs, and is embedded once.
            distinct = pl.concat([texts["chosen"], texts["rejected"]]).unique(maintain_order=True)
            vectors = context.embed(distinct.to_list())
            at = {text: i for i, text in enumerate(distinct)}
            said = {side: vectors[[at[text] for text in texts[side]]] for side in _SIDES}
            for side in _SIDES:
                image = context.features.of(side, rows)
                out[side][rows] = np.einsum("nd,nd->n", image, said[side])
                asked = np.einsum("nd,nd->n", image, context.features.of("prompt", rows))
                # How much better the caption fits the image than what was asked for.
                out[f"{side}_gain"][rows] = out[side][rows] - asked
            out["overlap"][rows] = np.einsum("nd,nd->n", *said.values())
        numbers = {name: pl.Series(values).fill_nan(None) for name, values in out.items()}
        return pl.DataFrame({**numbers, "status": status})

    def _captions(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """Captions of the chosen and the rejected answer."""
        p = self.params
        keys = {"first": p.first, "second": p.second, "slot": SLOT_KEY, "flipped": "flipped"}
        read = {name: extra_value(key) for name, key in keys.items()}
        # A flip exchanged the answers, and left slot and captions as they were read.
        turned = (pl.col("slot") == "2") ^ (pl.col("flipped") == "true").fill_null(False)
        turned = turned.fill_null(False)
        return pairs.select(**read).select(
            chosen=pl.when(turned).then("second").otherwise("first"),
            rejected=pl.when(turned).then("first").otherwise("second"),
        )
