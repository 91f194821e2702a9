"""Images that look the same, by perceptual hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from pydantic import Field

from curate import LOWER, Column, Context, Parameters, Scorer
from curate.data.row_parts import REJECTED_MEDIA, present
from curate.models.media.media_set import MediaSet, media_set_for
from curate.models.media.near_images import first_near_image, perceptual_hashes

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_IMAGES, NOT_SEEN = "no images", "an image cannot be seen"
_BITS = 64


class ImageNearDuplicatesParams(Parameters):
    """Parameters of `image_near_duplicates`."""

    distance: int = Field(
        5,
        ge=0,
        lt=_BITS // 2,
        description="Bits of 64 by which hashes of the same image may differ.",
    )


class ImageNearDuplicates(Scorer[ImageNearDuplicatesParams]):
    """Perceptual hashes (imagehash's pHash) of all images, and which of them nearly agree.

    Resized, recompressed or slightly retouched copies differ by a few of the 64 bits, other
    pictures by some 32. Blank images all look the same: see `media_health`.
    """

    name = "image_near_duplicates"
    purpose = "duplicates, diversity, coverage"
    when = "On sets of images: the same picture under many prompts, or as both answers."
    summary = "images that look the same as an earlier pair's, or as the other answer's (pHash)"
    reference = "pHash of the package imagehash: signs of the 64 lowest cosine frequencies"
    reads_media = True
    stored = True
    Params = ImageNearDuplicatesParams

    def columns(self) -> tuple[Column, ...]:
        """Whether images are repeated, which, and how far both answers are apart."""
        return (
            Column("repeats", "every image looks like one of an earlier pair", "bool", LOWER),
            Column("of", "pair_id of the first pair that shows such an image", "text"),
            Column("same", "both answers look the same", "bool", LOWER),
            Column("distance", "bits by which both answers differ", "int", unit="0 to 64"),
            Column("status", f"ok, '{NO_IMAGES}' or '{NOT_SEEN}'", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Of all pairs; a fact counts images that repeat an earlier one."""
        if not {"images", REJECTED_MEDIA["images"]} & set(present(pairs)):
            nothing = (pl.lit(None, dtype=c.dtype).alias(c.name) for c in self.columns()[:-1])
            made = pairs.with_columns(*nothing, pl.lit(NO_IMAGES).alias("status"))
            return made.select(c.name for c in self.columns())
        media = media_set_for(pairs, "images", context)
        media.look(context.progress)
        hashes = perceptual_hashes(media.small)
        seen = np.array([problem is None for problem in media.problems], dtype=bool)
        group = first_near_image(hashes, seen, self.params.distance)
        context.facts["images"] = len(media)
        context.facts["images_repeated"] = int((seen & (group != np.arange(len(group)))).sum())
        return self._frame(pairs, media, hashes, seen, group)

    def _frame(
        self,
        pairs: pl.DataFrame,
        media: MediaSet,
        hashes: NDArray[np.uint8],
        seen: NDArray[np.bool_],
        group: NDArray[np.int64],
    ) -> pl.DataFrame:
        shown: dict[int, int] = {}
        rows: list[tuple[Any, ...]] = []
        ids = pairs["pair_id"].to_list()
        for row, (first, second) in enumerate(zip(*media.of.values(), strict=True)):
            own = [*(first or ()), *(second or ())]
            if not own or not seen[own].all():
                rows.append((None, None, None, None, NOT_SEEN if own else NO_IMAGES))
                continue
            looks = [int(group[n]) for n in own]
            # A pair repeats when all that it shows was shown before.
            earlier = [shown[n] for n in looks if n in shown]
            # Only pairs whose answers have images of their own can be compared.
            apart = None
            if first and second:
                bits = np.unpackbits(hashes[first[-1]] ^ hashes[second[-1]])
                apart = int(bits.sum())
            repeats = len(earlier) == len(looks)
            of = ids[min(earlier)] if repeats else None
            same = None if apart is None else apart <= self.params.distance
            rows.append((repeats, of, same, apart, "ok"))
            # After the pair is judged: it is no repetition of itself.
            for look in looks:
                shown.setdefault(look, row)
        return pl.DataFrame(rows, schema={c.name: c.dtype for c in self.columns()}, orient="row")
