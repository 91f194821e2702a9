"""Log-probabilities with images seen and masked, against one conversation at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from curate import Context, CurateError
from curate.data.attachments import MEDIA
from curate.models.media.decoding import decode_image
from curate.scorers.hallucination_contrast import NO_IMAGES, OWN_IMAGES, HallucinationContrast
from curate.scorers.hallucination_contrast.vision_model import NO_IMAGE_PARTS, TOO_LONG
from curate.steps.models import Inference
from curate.store.store import Store
from tests.helpers import pairs_of
from tests.media_models import VISION_TEMPLATE, tiny_llava
from tests.models import tiny_causal
from tests.pictures import picture

ROW = {"prompt": "what is a cat?", "chosen": "a cat is an animal.", "rejected": "a dog sat"}


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llava(tmp_path_factory.mktemp("llava"))


def pictured(rows: list[dict[str, Any]], images: list[list[bytes] | None]) -> pl.DataFrame:
    listed = [None if r is None else [{"path": None, "bytes": b} for b in r] for r in images]
    return pairs_of(rows).with_columns(pl.Series("images", listed, dtype=MEDIA))


def score_with_model(pairs: pl.DataFrame, model: Path, **settings: Any) -> pl.DataFrame:
    context = Context(inference=Inference(device="cpu", **settings))
    return HallucinationContrast(model=str(model)).score(pairs, context)


def naive(folder: Path, question: str, answer: str, image: bytes, *, masked: bool) -> float:
    """By the model's own forward, one conversation at a time in float64."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder).double().eval()
    before = f"<|user|> <image>{question}<eos>\n<|assistant|> "
    picture = decode_image(image).value
    inputs = dict(processor(text=[before], images=[[picture]], return_tensors="pt"))
    added = processor.tokenizer(f"{answer}<eos>\n", add_special_tokens=False)["input_ids"]
    start = inputs["input_ids"].shape[1]
    ids = torch.cat([inputs["input_ids"], torch.tensor([added])], dim=1)
    mask = torch.ones_like(ids)
    if masked:
        mask[ids == processor.image_token_id] = 0
    with torch.no_grad():
        logits = model(
            input_ids=ids,
            attention_mask=mask,
            pixel_values=inputs["pixel_values"].double(),
            position_ids=torch.arange(ids.shape[1])[None],
        ).logits
    answer_logprobs = torch.log_softmax(logits[0, start - 1 : -1], -1)
    return float(answer_logprobs.gather(1, torch.tensor(added)[:, None]).sum())


def test_against_one_conversation_at_a_time(llava: Path) -> None:
    rows = [ROW, ROW | {"prompt": "who slept?", "chosen": "the dog", "rejected": "the cat did."}]
    images = [picture(seed=1), picture(seed=2)]
    scores = score_with_model(pictured(rows, [[i] for i in images]), llava)
    for i, (row, image) in enumerate(zip(rows, images, strict=True)):
        with_image, masked = (
            [naive(llava, row["prompt"], row[s], image, masked=m) for s in ("chosen", "rejected")]
            for m in (False, True)
        )
        assert scores["margin"][i] == pytest.approx(with_image[0] - with_image[1], abs=1e-4)
        assert scores["masked"][i] == pytest.approx(masked[0] - masked[1], abs=1e-4)
        assert scores["chosen_gain"][i] == pytest.approx(with_image[0] - masked[0], abs=1e-4)
        assert scores["rejected_gain"][i] == pytest.approx(with_image[1] - masked[1], abs=1e-4)
    difference = scores["margin"] - scores["masked"]
    np.testing.assert_allclose(scores["contrast"], difference, atol=1e-9)
    assert scores["status"].to_list() == ["ok", "ok"]


def test_a_masked_image_says_nothing_and_batches_change_nothing(llava: Path) -> None:
    rows = [ROW] * 3
    pairs = pictured(rows, [[picture(seed=i)] for i in range(3)])
    scores = score_with_model(pairs, llava)
    assert scores["masked"].n_unique() == 1 or np.ptp(scores["masked"].to_numpy()) < 1e-5
    assert np.ptp(scores["margin"].to_numpy()) > 1e-4
    alone = score_with_model(pairs, llava, batch_tokens=1)
    for name in ("margin", "masked", "chosen_gain"):
        np.testing.assert_allclose(scores[name], alone[name], atol=1e-4)


def test_an_image_before_everything_can_be_masked(tmp_path: Path) -> None:
    role = "<|{{ m['role'] }}|> "
    first = VISION_TEMPLATE.replace(role, "{% if m['role'] != 'user' %}" + role + "{% endif %}", 1)
    model = tiny_llava(tmp_path, template=first)
    scores = score_with_model(pictured([ROW], [[picture(seed=1)]]), model)
    assert scores["status"].to_list() == ["ok"]
    assert np.isfinite(scores["masked"][0])


def test_swapping_the_answers_turns_the_sign(llava: Path) -> None:
    turned = ROW | {"chosen": ROW["rejected"], "rejected": ROW["chosen"]}
    scores = score_with_model(pictured([ROW, turned], [[picture()]] * 2), llava)
    for name in ("contrast", "margin", "masked"):
        assert scores[name][0] == pytest.approx(-scores[name][1], abs=1e-6)


def test_what_cannot_be_asked_is_told(llava: Path) -> None:
    two = [{"role": "user", "content": "<image><image>?", "more": None}]
    parts = '{"content":[{"type":"image"},{"type":"image"}]}'
    rows = [ROW, ROW, ROW, ROW | {"prompt": "why " * 50}]
    pairs = pictured(rows, [None, [b"none"], [picture()], [picture()]])
    prompts = pairs["prompt"].to_list()
    prompts[2] = [two[0] | {"more": parts}]
    pairs = pairs.with_columns(pl.Series("prompt", prompts, dtype=pairs.schema["prompt"]))
    scores = score_with_model(pairs, llava, max_prompt_tokens=40)
    expected = [NO_IMAGES, "an image is no image", NO_IMAGE_PARTS, TOO_LONG]
    assert scores["status"].to_list() == expected
    assert scores["contrast"].null_count() == 4
    rejected_images = pl.Series(
        "rejected_images", [[{"path": None, "bytes": picture(seed=3)}]], dtype=MEDIA
    )
    apart = pictured([ROW], [[picture()]]).with_columns(rejected_images)
    assert score_with_model(apart, llava)["status"].to_list() == [OWN_IMAGES]


def test_values_are_kept_under_the_files_content(llava: Path, tmp_path: Path) -> None:
    pairs = pictured([ROW], [[picture()]])
    context = Context(inference=Inference(device="cpu"), store=Store(tmp_path))
    first = HallucinationContrast(model=str(llava)).score(pairs, context)
    again = Context(inference=Inference(device="cpu"), store=Store(tmp_path))
    scores = HallucinationContrast(model=str(llava)).score(pairs, again)
    assert scores.equals(first)
    assert "_model" not in vars(next(iter(again.models.values())))


def test_a_model_of_texts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="takes no images"):
        score_with_model(pictured([ROW], [[picture()]]), tiny_causal(tmp_path))
