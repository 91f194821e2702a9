"""Images, video and audio of pairs: decoding, features, status."""

from __future__ import annotations

from curate.data.attachments import REJECTED_MEDIA, nonempty_attachments
from curate.data.media_bytes import NOT_IN_DATA
from curate.models.media.answer_media import DECODED, embedded_answers_mask, media_status
from curate.models.media.media_set import DECODERS, MediaSet, media_set_for

__all__ = [
    "DECODED",
    "DECODERS",
    "NOT_IN_DATA",
    "REJECTED_MEDIA",
    "MediaSet",
    "embedded_answers_mask",
    "media_set_for",
    "media_status",
    "nonempty_attachments",
]
