"""Which model embeds where the settings leave it open."""

from __future__ import annotations

import polars as pl

from curate.data.hashes import content_keys
from curate.data.media_answers import media_answer_columns
from curate.errors import CurateError
from curate.models.embed.settings import AUTO, SHIPPED, STATIC, EmbedderConfig
from curate.option_names import option_name
from curate.optional_packages import install_command

_MEDIA_MODELS = {
    "images": "a sentence-transformers model of texts and images (CLIP, SigLIP)",
    "audios": "a sentence-transformers model of texts and audios (CLAP)",
}
"""What embeds answers of each kind."""
MANY_TEXTS = 20_000
"""Distinct texts from which on a CPU takes static vectors: MiniLM needs some ten minutes there."""
_RATES = {SHIPPED: 38.0, STATIC: 30_000.0}
"""Texts of 584 characters a second on two cores (`tests/benchmarks/embedders.py`)."""


def choose_embedder(
    settings: EmbedderConfig, pairs: pl.DataFrame
) -> tuple[EmbedderConfig, str | None]:
    """Return the settings with a model's name, and what the user should know of the choice.

    `auto` is MiniLM on a GPU and for up to 20,000 distinct texts, and static vectors for more of
    them on a CPU, where they are installed: they find flips as well, some 1,000 times faster.

    Args:
        settings: of the embedder.
        pairs: that are to be embedded.

    Raises:
        CurateError: hidden states are asked for and no model is named, or the answers are media
            and the settings name no model that may embed them.
    """
    media_columns = media_answer_columns(pairs) if settings.media else []
    if media_columns:
        # As texts, all such answers are the same placeholder: every learned score would be chance.
        if settings.name in (AUTO, SHIPPED, STATIC) or settings.pooling == "last_token":
            raise unsupported_answers_error(settings.name, media_columns[0])
        return settings, None
    if settings.name != AUTO:
        return settings, None
    if settings.pooling == "last_token":
        raise CurateError(
            "hidden states need a model",
            where="embedder.name",
            expected="the folder or hub name of a causal language model",
        )
    texts = _count_distinct_texts(pairs)
    if texts <= MANY_TEXTS or _runs_on_gpu(settings):
        return settings.model_copy(update={"name": SHIPPED}), None
    name, note = _choose_for_many_texts(texts)
    return settings.model_copy(update={"name": name}), note


def _choose_for_many_texts(texts: int) -> tuple[str, str]:
    """Return the model that embeds many texts on a CPU, and a note about the choice."""
    from curate.models.embed.static import static_folder

    slow, fast = (_rounded_duration(texts / rate) for rate in _RATES.values())
    if static_folder() is None:
        return SHIPPED, (
            f"MiniLM takes about {slow} for {texts:,} texts on a CPU; static vectors take about "
            f"{fast}: {install_command('static')}"
        )
    return STATIC, (
        f"{texts:,} texts are embedded by static vectors (about {fast}); MiniLM takes about {slow} "
        "on a CPU, far less on a GPU: embedder: {name: minilm}"
    )


def unsupported_answers_error(name: str, column: str, embeds: str = "text") -> CurateError:
    """Return the error for answers of a kind that the embedder does not see."""
    return CurateError(
        f"the answers are {column}, which the embedder does not see",
        where="embedder.name",
        found=f"{name}, which embeds {embeds}",
        expected=_MEDIA_MODELS.get(column, "images or audios as answers; videos are not decoded"),
        fix=f"name the folder or hub name of one ({option_name('embedder')}), or use only texts "
        "with embedder: {media: false}",
    )


def _count_distinct_texts(pairs: pl.DataFrame) -> int:
    keys = content_keys(pairs)
    answers = pl.concat([keys["low"], keys["high"]])
    return keys["prompt"].n_unique() + answers.n_unique()


def _runs_on_gpu(settings: EmbedderConfig) -> bool:
    from curate.models.embed.device import choose_device

    return choose_device(settings.device) != "cpu"


def _rounded_duration(seconds: float) -> str:
    """Return a duration in round words."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
