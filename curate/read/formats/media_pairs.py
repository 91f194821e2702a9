"""Preferences between two images or audios that were made from one prompt."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping

import polars as pl

from curate.read.formats.base import (
    ROW,
    Format,
    ReadOptions,
    RowSample,
    as_messages_column,
    has_columns,
    report_unused_rows,
    share_of_rows,
)
from curate.read.formats.media_slots import assign_media_winner, assign_preferred_media
from curate.read.formats.slots import label_text

_IMAGES = ("jpg_{}", "image_{}", "image_{}_url")
"""Columns of both images; the first that a row has counts."""
# How files of WAV, FLAC, Ogg and MP3 begin.
_AUDIO_SIGNATURES = (b"RIFF", b"fLaC", b"OggS", b"ID3")
_VOTES = {"a": 1, "b": 2, "tie": 0, "both_bad": 0}
# Share of files among the values: a few may be missing.
_MIN_SHARE = 0.9


class ImagePairs(Format):
    """`jpg_0`, `jpg_1` (or `image_0`, `image_0_url`...), `caption` or `prompt`, `label_0`.

    As Pick-a-Pic (yuvalkirstain/pickapic_v2) and the sets made from it for diffusers' and MaPO's
    trainers. `label_0` is 1 where the first image is preferred, 0 for the second, 0.5 for a tie;
    rows of `has_label: false` are listed. Images are bytes, paths or URLs.
    """

    name = "image_pairs"
    side_suffixes = ("_0", "_1")
    summary = "Pick-a-Pic, diffusers DPO: jpg_0, jpg_1 (or image_0, image_1), caption, label_0"
    text_columns = ("caption", "prompt")
    value_columns = ("label_0", "has_label", "user_id")
    media_columns = tuple(f"{name.format(i)}" for i in (0, 1) for name in _IMAGES)
    keep_in_extra = ("label_0",)
    priority = 12

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are two images and a label."""
        has_images = any(has_columns(rows, n.format(0), n.format(1)) for n in _IMAGES)
        has_prompt = any(has_columns(rows, name) for name in self.text_columns)
        return has_images and has_prompt and has_columns(rows, "label_0")

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the image of the larger label as chosen."""
        unlabelled = label_text("has_label").str.to_lowercase().is_in(["false", "0"])
        # Rows without a label hold 0 in label_0, which would read as a vote for the second image.
        without_label = rows.filter(unlabelled.fill_null(False))
        rows = rows.filter(~unlabelled.fill_null(False)).with_columns(
            prompt=pl.coalesce(
                as_messages_column(rows, name, "user") for name in self.text_columns
            ),
            annotator=pl.col("user_id").cast(pl.String),
            _one=pl.coalesce(n.format(0) for n in _IMAGES),
            _two=pl.coalesce(n.format(1) for n in _IMAGES),
        )
        label = pl.col("label_0").cast(pl.Float64, strict=False)
        winner = label.replace_strict({1.0: 1, 0.0: 2, 0.5: 0}, default=None, return_dtype=pl.Int64)
        placed = assign_media_winner(
            rows, "images", winner, "1, 0 or 0.5 (a tie)", pl.col("label_0")
        )
        return report_unused_rows(
            placed, without_label, placed.select(ROW), "no label (has_label: false)"
        )


class PathPairs(Format):
    """`prompt`, `path1` (the preferred image) and `path2`, as MizzenAI/HPDv3."""

    name = "hpdv3"
    side_suffixes = ("path1", "path2")
    summary = "HPDv3: prompt, path1 (preferred), path2"
    text_columns = ("prompt",)
    media_columns = ("path1", "path2")
    priority = 12

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are two paths and a prompt."""
        return has_columns(rows, "prompt", *self.media_columns)

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the first path as chosen."""
        rows = rows.with_columns(prompt=as_messages_column(rows, "prompt", "user"))
        return assign_preferred_media(rows, "images", pl.col("path1"), pl.col("path2"))


class MusicArena(Format):
    """`prompt`, `audio_a`, `audio_b`, `preference` (A, B, TIE, BOTH_BAD), `user_pseudonym`.

    As music-arena/music-arena-dataset. Both kinds of tie are ties; the vote, systems and listening
    times stay in `extra`. Audios of some systems are not published: such battles are listed.
    """

    name = "music_arena"
    side_suffixes = ("_a", "_b")
    summary = "Music Arena: prompt, audio_a, audio_b, preference (A, B, TIE, BOTH_BAD)"
    text_columns = ("prompt",)
    value_columns = ("preference", "user_pseudonym")
    media_columns = ("audio_a", "audio_b")
    keep_in_extra = ("preference",)
    priority = 12

    def matches(self, rows: RowSample) -> bool:
        """Return whether there are two audios and a vote."""
        return has_columns(rows, "prompt", "audio_a", "audio_b", "preference")

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the winner's audio as chosen."""
        are_published = [_has_medium("audio_a"), _has_medium("audio_b")]
        # Votes are checked before audio, so that a battle without a vote gets that reason.
        voted = rows.filter(pl.col("preference").is_not_null())
        with_audio = voted.filter(are_published[0] & are_published[1]).with_columns(
            prompt=as_messages_column(voted, "prompt", "user"),
            annotator=pl.col("user_pseudonym").cast(pl.String),
            _one="audio_a",
            _two="audio_b",
        )
        vote = pl.col("preference").cast(pl.String)
        winner = vote.str.to_lowercase().replace_strict(_VOTES, default=None, return_dtype=pl.Int64)
        placed = assign_media_winner(with_audio, "audios", winner, "A, B, TIE or BOTH_BAD", vote)
        placed = report_unused_rows(
            placed, voted, with_audio.select(ROW), "an audio is not published"
        )
        return report_unused_rows(placed, rows, voted.select(ROW), "no vote was cast")


class MediaAnswers(Format):
    """`prompt`, `chosen` and `rejected`, both of them images or audios (declare-lab/audio-alpaca).

    They are files as `datasets` stores them, {bytes, path}.
    """

    name = "media_answers"
    side_suffixes = ("chosen", "rejected")
    summary = "images or audios as answers: prompt (or caption), chosen, rejected"
    text_columns = ("prompt", "caption")
    media_columns = ("chosen", "rejected")
    priority = 13

    def matches(self, rows: RowSample) -> bool:
        """Return whether both answers are files."""
        has_prompt = any(has_columns(rows, name) for name in self.text_columns)
        return has_prompt and all(
            share_of_rows(rows, lambda r, n=side: _is_file(r.get(n))) > _MIN_SHARE
            for side in self.media_columns
        )

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return the files as answers, images unless the first of them is an audio."""
        column = _media_column(rows["chosen"])
        rows = rows.with_columns(
            prompt=pl.coalesce(as_messages_column(rows, name, "user") for name in self.text_columns)
        )
        return assign_preferred_media(rows, column, pl.col("chosen"), pl.col("rejected"))


def _has_medium(column: str) -> pl.Expr:
    """Return whether the row has this medium; an empty path names none."""
    first_medium = pl.col(column).list.first().struct
    named = first_medium.field("path").fill_null("") != ""
    return (named | first_medium.field("bytes").is_not_null()).fill_null(False)


def _is_file(value: object) -> bool:
    if isinstance(value, list):
        return len(value) > 0 and all(_is_file(item) for item in value)
    if isinstance(value, bytes):
        return True
    return isinstance(value, Mapping) and "bytes" in value and value.keys() <= {"bytes", "path"}


def _media_column(media: pl.Series) -> str:
    """Return the column of the pair table for the kind of the first medium."""
    for row in media.drop_nulls():
        for medium in row:
            kind = mimetypes.guess_type(medium["path"] or "")[0] or ""
            # The name is a better sign than the bytes, if there is one.
            if kind.startswith(("audio", "video")):
                return f"{kind[:5]}s"
            return "audios" if (medium["bytes"] or b"").startswith(_AUDIO_SIGNATURES) else "images"
    return "images"
