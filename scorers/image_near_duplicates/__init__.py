"""Images that look the same, by perceptual hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from pydantic import Field

from curate import LOWER, Cache, Column, Context, Input, Parameters, Scorer
from curate.scorers.image_near_duplicates.near_images import first_near_image, perceptual_hashes
from curate.scoring.media import REJECTED_MEDIA, MediaSet, media_set_for, nonempty_attachments

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_IMAGES, NOT_SEEN = "no images", "an image cannot be seen"
# imagehash's default: 8 by 8 coefficients.
_HASH_BITS = 64


class ImageNearDuplicatesParams(Parameters):
    """Parameters of `image_near_duplicates`."""

    distance: int = Field(
        5,
        ge=0,
        lt=_HASH_BITS // 2,
        description="Bits of 64 by which hashes of the same image may differ.",
    )


class ImageNearDuplicates(Scorer[ImageNearDuplicatesParams]):
    """Compare images by 64-bit perceptual hashes (imagehash's pHash).

    `repeats` says whether every image of the pair looks like one of an earlier pair, `of` names the
    first such pair; `same` and `distance` (differing bits, 0 to 64) compare the images of the two
    answers. Resized, recompressed or slightly retouched copies differ by a few bits, other pictures
    by about 32. Blank images all look the same: see `media_health`. Use it on sets of images.

    Examples:
        >>> from curate import score
        >>> rows = [{"prompt": "A bird", "chosen": "text", "rejected": "other text"}]
        >>> score(rows, "image_near_duplicates").frame["image_near_duplicates.status"].to_list()
        ['no images']
    """

    name = "image_near_duplicates"
    purpose = "duplicates, diversity, coverage"
    when = "On image datasets: the same picture with many prompts, or as both answers."
    summary = "images that look the same as an earlier pair's, or as the rejected answer's (pHash)"
    reference = "pHash of the package imagehash: signs of the 64 lowest cosine frequencies"
    inputs = frozenset({Input.TEXTS, Input.MEDIA})
    cache = Cache.WHOLE
    Params = ImageNearDuplicatesParams

    def columns(self) -> tuple[Column, ...]:
        """Return whether images repeat, which, and how much both answers differ."""
        return (
            Column("repeats", "every image looks like one of an earlier pair", "bool", LOWER),
            Column("of", "pair_id of the first pair with such an image", "text"),
            Column("same", "both answers look the same", "bool", LOWER),
            Column(
                "distance", "bits in which the images of both answers differ", "int", unit="0 to 64"
            ),
            Column("status", f"ok, '{NO_IMAGES}' or '{NOT_SEEN}'", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Score all pairs; a fact counts images that repeat an earlier one."""
        if not {"images", REJECTED_MEDIA["images"]} & set(nonempty_attachments(pairs)):
            null_columns = (pl.lit(None, dtype=c.dtype).alias(c.name) for c in self.columns()[:-1])
            without_scores = pairs.with_columns(*null_columns, pl.lit(NO_IMAGES).alias("status"))
            return without_scores.select(c.name for c in self.columns())
        media = media_set_for(pairs, "images", context)
        media.look(context.progress)
        hashes = perceptual_hashes(media.small)
        decoded_mask = np.array([problem is None for problem in media.problems], dtype=bool)
        group = first_near_image(hashes, decoded_mask, self.params.distance)
        context.facts["images"] = len(media)
        context.facts["images_repeated"] = int(
            (decoded_mask & (group != np.arange(len(group)))).sum()
        )
        return self._compare_pairs(pairs, media, hashes, decoded_mask, group)

    def _compare_pairs(
        self,
        pairs: pl.DataFrame,
        media: MediaSet,
        hashes: NDArray[np.uint8],
        decoded_mask: NDArray[np.bool_],
        group: NDArray[np.int64],
    ) -> pl.DataFrame:
        first_row: dict[int, int] = {}
        rows: list[tuple[Any, ...]] = []
        ids = pairs["pair_id"].to_list()
        for row, (chosen_images, rejected_images) in enumerate(
            zip(*media.of.values(), strict=True)
        ):
            pair_images = [*(chosen_images or ()), *(rejected_images or ())]
            if not pair_images or not decoded_mask[pair_images].all():
                rows.append((None, None, None, None, NOT_SEEN if pair_images else NO_IMAGES))
                continue
            image_groups = [int(group[n]) for n in pair_images]
            # A pair is a repeat if an earlier pair has each of its images.
            earlier = [first_row[n] for n in image_groups if n in first_row]
            distance = _hash_distance(hashes, chosen_images, rejected_images)
            repeats = len(earlier) == len(image_groups)
            first_pair = ids[min(earlier)] if repeats else None
            same = None if distance is None else distance <= self.params.distance
            rows.append((repeats, first_pair, same, distance, "ok"))
            # Recorded last, so that a pair is no repeat of itself.
            for image_group in image_groups:
                first_row.setdefault(image_group, row)
        return pl.DataFrame(rows, schema={c.name: c.dtype for c in self.columns()}, orient="row")


def _hash_distance(
    hashes: NDArray[np.uint8], chosen: list[int] | None, rejected: list[int] | None
) -> int | None:
    """Return the differing bits of the last image of each answer; None if one has none."""
    if not chosen or not rejected:
        return None
    return int(np.unpackbits(hashes[chosen[-1]] ^ hashes[rejected[-1]]).sum())
