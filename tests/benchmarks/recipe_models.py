"""A small reward model and a small tuned policy for recipes that need them, out of one data set.

SmolLM2-135M-Instruct with LoRA, by TRL's RewardTrainer and DPOTrainer on voted pairs of TRAIN; the
untuned model is the reference. Bench the recipes on other data sets alone: recipe_models.sh does.
`python -m tests.benchmarks.recipe_models TRAIN OUT [PAIRS]` makes OUT/base, OUT/reward, OUT/policy
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import polars as pl
import torch
from peft import LoraConfig, TaskType
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer

from curate import read_pairs
from curate.write.as_dataset import to_dataset
from tests.models import smollm2_folder

_LENGTH, _BATCH = 384, 4


def main(train: str, out: Path, count: int) -> None:
    """Make the three folders."""
    torch.manual_seed(0)
    pairs = read_pairs(train).frame.filter(~pl.col("is_tie"))
    pairs = pairs.sample(min(count, len(pairs)), seed=0, shuffle=True)
    data = to_dataset(pairs).select_columns(["prompt", "chosen", "rejected"])
    base = smollm2_folder(out / "base")
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    common: dict[str, Any] = {
        "per_device_train_batch_size": _BATCH,
        "num_train_epochs": 1,
        "max_length": _LENGTH,
        "report_to": [],
        "logging_steps": 10,
        "save_strategy": "no",
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
    }
    reward = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1)
    reward.config.pad_token_id = tokenizer.pad_token_id
    trainer = RewardTrainer(
        model=reward,
        args=RewardConfig(output_dir=str(out / "log"), learning_rate=2e-4, **common),
        train_dataset=data,
        processing_class=tokenizer,
        peft_config=_lora(TaskType.SEQ_CLS),
    )
    _trained(trainer, tokenizer, out / "reward")
    policy = DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(base),
        args=DPOConfig(output_dir=str(out / "log"), learning_rate=1e-4, beta=0.1, **common),
        train_dataset=data,
        processing_class=tokenizer,
        peft_config=_lora(TaskType.CAUSAL_LM),
    )
    _trained(policy, tokenizer, out / "policy")


def _lora(task: TaskType) -> LoraConfig:
    return LoraConfig(r=16, lora_alpha=32, target_modules=["q_proj", "v_proj"], task_type=task)


def _trained(trainer: Any, tokenizer: Any, folder: Path) -> None:
    print(folder.name, trainer.train().training_loss, flush=True)
    trainer.model.merge_and_unload().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 300)
