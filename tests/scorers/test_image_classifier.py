from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from curate import Context, CurateError
from curate.data.attachments import MEDIA
from curate.models.media.decoding import decode_image
from curate.scorers.image_classifier import NO_IMAGES, NOT_SEEN, ImageClassifier
from curate.steps.models import Inference
from tests.helpers import numbered_pairs
from tests.pictures import picture


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

    folder = tmp_path_factory.mktemp("vit")
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        id2label={0: "safe", 1: "nsfw"},
        initializer_range=0.5,
    )
    ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def with_images(
    shared: list[list[bytes] | None], rejected: list[list[bytes] | None]
) -> pl.DataFrame:
    def listed(rows: list[list[bytes] | None]) -> pl.Series:
        media = [None if r is None else [{"path": None, "bytes": b} for b in r] for r in rows]
        return pl.Series(media, dtype=MEDIA)

    return numbered_pairs(len(shared)).with_columns(
        listed(shared).alias("images"), listed(rejected).alias("rejected_images")
    )


def test_probabilities_are_the_models_own(model: Path) -> None:
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    a, b = picture(seed=1), picture(seed=2)
    pairs = with_images([[a], [a, b], [b"none"], None], [[b], None, None, None])
    context = Context(inference=Inference(device="cpu"))
    scores = ImageClassifier(model=str(model), label="nsfw").score(pairs, context)
    processor = AutoImageProcessor.from_pretrained(model)
    network = AutoModelForImageClassification.from_pretrained(model).eval()
    images = [decode_image(i).value for i in (a, b)]
    with torch.no_grad():
        logits = network(**processor(images=images, return_tensors="pt")).logits
    first, second = torch.softmax(logits, -1)[:, 1].tolist()
    assert scores["chosen"].to_list()[:2] == pytest.approx([first, max(first, second)], abs=1e-5)
    assert scores["rejected"].to_list()[:2] == pytest.approx([second, max(first, second)], abs=1e-5)
    assert scores["highest"].to_list()[:2] == pytest.approx([max(first, second)] * 2, abs=1e-5)
    assert scores["status"].to_list() == ["ok", "ok", NOT_SEEN, NO_IMAGES]
    assert np.isclose(first, second) == False  # noqa: E712


def test_an_unknown_label_names_the_nearest(model: Path) -> None:
    pairs = with_images([[picture()]], [None])
    with pytest.raises(CurateError, match="nsfw"):
        ImageClassifier(model=str(model), label="nsfv").score(pairs, Context())
