"""Tiny models of images and audios with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tests.models import tiny_config, tiny_tokenizer

_TEXT = {
    "vocab_size": 320,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
    "projection_dim": 16,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
    "projection_dim": 16,
}


def tiny_clip(folder: Path, seed: int = 0) -> Path:
    """A CLIP model of texts and images, saved in `folder`."""
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor

    torch.manual_seed(seed)
    config = CLIPConfig(text_config=_TEXT, vision_config=_VISION, projection_dim=16)
    CLIPModel(config).save_pretrained(folder)
    side = {"height": 32, "width": 32}
    images = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=side)
    CLIPProcessor(images, _tokenizer(folder)).save_pretrained(folder)
    return folder


def tiny_clap(folder: Path, seed: int = 0) -> Path:
    """A CLAP model of texts and audios, saved in `folder`."""
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, ClapProcessor

    torch.manual_seed(seed)
    audio = {
        "window_size": 8,
        "num_mel_bins": 64,
        "spec_size": 64,
        "patch_size": 4,
        "patch_stride": [4, 4],
        "patch_embeds_hidden_size": 16,
        "hidden_size": 32,
        "depths": [1, 1],
        "num_attention_heads": [2, 2],
        "projection_dim": 16,
        "num_hidden_layers": 2,
    }
    config = ClapConfig(text_config=_TEXT, audio_config=audio, projection_dim=16)
    ClapModel(config).save_pretrained(folder)
    sounds = ClapFeatureExtractor(
        feature_size=64,
        sampling_rate=16_000,
        max_length_s=1,
        fft_window_size=1024,
        hop_length=256,
        truncation="rand_trunc",
        padding="repeatpad",
    )
    ClapProcessor(sounds, _tokenizer(folder)).save_pretrained(folder)
    return folder


def _tokenizer(folder: Path) -> Any:
    tokenizer = tiny_tokenizer(folder, bos=True, template=None)
    tokenizer.model_max_length = 60
    return tokenizer


VISION_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|> {% for p in m['content'] %}"
    "{% if p['type'] == 'image' %}<image>{% else %}{{ p['text'] }}{% endif %}{% endfor %}<eos>\n"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|> {% endif %}"
)


def tiny_llava(folder: Path, seed: int = 0, template: str = VISION_TEMPLATE) -> Path:
    """A LLaVA model of images and texts, saved in `folder`; an image is 16 tokens."""
    from transformers import (
        CLIPImageProcessorPil,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    tokenizer = tiny_tokenizer(folder, template=template)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    config = LlavaConfig(
        vision_config=_VISION | {"num_hidden_layers": 2},
        text_config=tiny_config(vocab_size=len(tokenizer)).to_dict(),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        image_seq_length=16,
    )
    torch.manual_seed(seed)
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    side = {"height": 32, "width": 32}
    LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=side),
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        chat_template=template,
        num_additional_image_tokens=1,
    ).save_pretrained(folder)
    return folder
