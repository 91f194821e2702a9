"""What trainers read of our exports, by their own loading code.

They are installed without their dependencies (tests/no-deps.txt). Modules that their packages
import at the top, and the loading code does not use, are stood in for by empty ones.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
import yaml

TEMPLATE = """\
{%- if tools %}<tools>{{ tools | tojson }}</tools>{% endif -%}
{%- for m in messages %}<|{{ m['role'] }}|>
{%- if m['reasoning_content'] %}<think>{{ m['reasoning_content'] }}</think>{% endif -%}
{%- if m['content'] is string %}{{ m['content'] }}{% else %}
{%- for part in m['content'] or [] %}{{ part['text'] or '<image>' }}{% endfor %}{% endif -%}
{%- for call in m['tool_calls'] or [] %}<call>{{ call['function'] | tojson }}</call>{% endfor -%}
<eos>
{% endfor %}
{%- if add_generation_prompt %}<|assistant|>{% endif -%}
"""
"""A chat template that writes tools, calls, traces and parts."""


@dataclass(frozen=True)
class TrainedRow:
    """What a trainer trains on.

    Attributes:
        prompt: the text.
        answers: the text of each answer: the preferred one first, or that of an unpaired row.
        label: of an unpaired row.
        margin: of the reward.
        images: of the row.
    """

    prompt: str
    answers: tuple[str, ...]
    label: bool | None = None
    margin: float | None = None
    images: tuple[Any, ...] = ()


class Anything(types.ModuleType):
    """A module that has every name."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return MagicMock()


class LooseDict(dict[str, Any]):
    """A dictionary that also answers to attributes, null for what it lacks (axolotl's)."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name)

    def __missing__(self, name: str) -> None:
        return None


def loose(value: Any) -> Any:
    """Nested dictionaries as `LooseDict`."""
    if isinstance(value, dict):
        return LooseDict({key: loose(v) for key, v in value.items()})
    return [loose(v) for v in value] if isinstance(value, list) else value


def home_of(package: str) -> Path:
    """The folder of an installed package, which is not imported."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package} is not installed: pip install --no-deps -r tests/no-deps.txt")
    return Path(spec.submodule_search_locations[0])


def decorator(*arguments: Any, **_: Any) -> Any:
    """Stands for a decorator with or without arguments."""
    return arguments[0] if arguments and callable(arguments[0]) else lambda function: function


@contextmanager
def stand_ins(**modules: dict[str, Any]) -> Iterator[None]:
    """Modules of these contents where none is installed, taken away again."""
    modules_before = dict(sys.modules)
    for name, content in modules.items():
        if importlib.util.find_spec(name) is None:
            module = Anything(name)
            module.__spec__ = importlib.machinery.ModuleSpec(name, None)
            module.__path__ = []
            vars(module).update(content)
            sys.modules[name] = module
    try:
        yield
    finally:
        for name in [n for n in modules if n not in modules_before]:
            sys.modules.pop(name, None)


def trl_tokens(trainer: str, rows: Any, tokenizer: Any) -> Any:
    """Rows with token ids as TRL's trainer prepares them."""
    import trl

    trl_trainer = getattr(trl, f"{trainer}Trainer").__new__(getattr(trl, f"{trainer}Trainer"))
    trl_trainer._tokenizer, trl_trainer.calculate_KL, trl_trainer._is_vlm = tokenizer, False, False
    trl_trainer.desirable_weight = trl_trainer.undesirable_weight = 1.0
    settings = {"output_dir": "none", "use_cpu": True, "bf16": False, "report_to": "none"}
    args = getattr(trl, f"{trainer}Config")(**settings)
    return trl_trainer._prepare_dataset(rows, tokenizer, args, "train")


def trl_rows(rows: Any, tokenizer: Any) -> list[TrainedRow]:
    """What TRL's DPOTrainer or KTOTrainer trains on."""
    sides = ("completion",) if "label" in rows.column_names else ("chosen", "rejected")
    prepared = trl_tokens("KTO" if len(sides) == 1 else "DPO", rows, tokenizer)
    return [
        TrainedRow(
            tokenizer.decode(row["prompt_ids"]),
            tuple(tokenizer.decode(row[f"{side}_ids"]) for side in sides),
            row.get("label"),
        )
        for row in prepared
    ]


def axolotl_rows(folder: Path, tokenizer: Any, **config: Any) -> list[TrainedRow]:
    """What axolotl trains on by axolotl.yaml of a folder."""
    home_of("axolotl")
    with stand_ins(addict={"Dict": LooseDict}, posthog={}, numba={"njit": decorator}):
        rl = importlib.import_module("axolotl.utils.data.rl")
        enums = importlib.import_module("axolotl.utils.schemas.enums")
    settings = yaml.safe_load((folder / "axolotl.yaml").read_text())
    for entry in settings["datasets"]:
        entry["path"] = str(folder / entry["path"])
    defaults = {"sequence_len": 2048, "seed": 42, "chat_template": "tokenizer_default"}
    cfg = loose(defaults | {"dataset_prepared_path": str(folder / "prepared")} | settings | config)
    cfg["rl"] = enums.RLType(settings["rl"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rl, "load_tokenizer", lambda _: tokenizer)
        rows = rl._load_split(cfg, "train")
    if isinstance(rows[0]["prompt"], str):
        return [TrainedRow(r["prompt"], (r["chosen"], r["rejected"])) for r in rows]
    return trl_rows(rows, tokenizer)


def axolotl_sft_rows(folder: Path, tokenizer: Any) -> list[tuple[str, str]]:
    """The text of each row by axolotl.yaml of a folder, and what axolotl trains on of it."""
    import datasets

    home_of("axolotl")
    with stand_ins(addict={"Dict": LooseDict}, posthog={}, numba={"njit": decorator}):
        chat_template = importlib.import_module("axolotl.prompt_strategies.chat_template")
    (entry,) = yaml.safe_load((folder / "axolotl.yaml").read_text())["datasets"]
    rows = datasets.load_dataset(
        entry["ds_type"], data_dir=str(folder / entry["path"]), split="train"
    )
    cfg = loose({"chat_template": "tokenizer_default", "sequence_len": 4096})
    strategy = chat_template.load(tokenizer, cfg, loose(entry))
    tokenized = [strategy.tokenize_prompt(row) for row in rows]
    trained = [[t for t in row["labels"] if t >= 0] for row in tokenized]
    texts = [tokenizer.decode(row["input_ids"]) for row in tokenized]
    return list(zip(texts, map(tokenizer.decode, trained), strict=True))


def trl_sft_rows(folder: Path, tokenizer: Any) -> list[str]:
    """The texts that TRL's SFTTrainer trains on."""
    import trl
    from trl.data_utils import is_conversational

    rows = data_of(folder)
    assert is_conversational(rows[0])
    trainer = trl.SFTTrainer.__new__(trl.SFTTrainer)
    trainer._tokenizer, trainer._is_vlm, trainer.chat_template = tokenizer, False, None
    trainer.completion_only_loss = False
    settings = {"output_dir": "none", "use_cpu": True, "bf16": False, "report_to": "none"}
    args = trl.SFTConfig(**settings, max_length=None)
    prepared = trainer._prepare_dataset(rows, tokenizer, args, False, None, "train")
    return [tokenizer.decode(row["input_ids"]) for row in prepared]


def llamafactory_rows(folder: Path, tokenizer: Any, cutoff_len: int = 2048) -> list[TrainedRow]:
    """What LLaMA-Factory trains on by the files of a folder, with the template `qwen`."""
    home_of("llamafactory")
    with pytest.MonkeyPatch.context() as patch, stand_ins(torchaudio={}):
        patch.setenv("DISABLE_VERSION_CHECK", "1")  # it wants an older transformers
        loader = importlib.import_module("llamafactory.data.loader")
        parser = importlib.import_module("llamafactory.data.parser")
        hparams = importlib.import_module("llamafactory.hparams")
        templates = importlib.import_module("llamafactory.data.template")
    from transformers import TrainingArguments

    settings = yaml.safe_load((folder / "llamafactory.yaml").read_text())
    (entry,) = parser.get_dataset_list([settings["dataset"]], str(folder))
    data = hparams.DataArguments(
        template="qwen", dataset=settings["dataset"], dataset_dir=str(folder), cutoff_len=cutoff_len
    )
    cache = str(folder / "cache")
    models = hparams.ModelArguments(model_name_or_path="none", cache_dir=cache)
    training = TrainingArguments(output_dir=cache, report_to="none", use_cpu=True)
    aligned = loader._load_single_dataset(entry, models, data, training)
    template = templates.get_template_and_fix_tokenizer(tokenizer, data)
    kind = {"dpo": "rm"}.get(settings["stage"], settings["stage"])
    processor = loader._get_dataset_processor(data, kind, template, tokenizer, None)
    tokenized = processor.preprocess_dataset(aligned.to_dict())
    names = ("",) if kind in ("kto", "sft") else ("chosen_", "rejected_")
    ids, labels = ([tokenized[f"{n}{c}"] for n in names] for c in ("input_ids", "labels"))
    rows = []
    for number in range(len(ids[0])):
        answers = [[t for t in side[number] if t >= 0] for side in labels]
        prompt = ids[0][number][: len(ids[0][number]) - len(answers[0])]
        label = tokenized["kto_tags"][number] if kind == "kto" else None
        texts = tuple(tokenizer.decode(answer) for answer in answers)
        images = tuple(tokenized["images"][number] or ())
        rows.append(TrainedRow(tokenizer.decode(prompt), texts, label, None, images))
    return rows


_MODELSCOPE = ("", ".hub", ".hub.utils", ".hub.utils.utils", ".hub.api", ".hub.file_download")
_MODELSCOPE_TOO = (".utils", ".utils.logger", ".utils.config_ds")


@contextmanager
def swift_modules(folder: Path) -> Iterator[None]:
    """ms-swift without ModelScope, whose caches lie in the folder."""
    home_of("swift")
    cache = str(folder / "cache")
    modules: dict[str, dict[str, Any]] = {
        f"modelscope{name}": {} for name in (*_MODELSCOPE, *_MODELSCOPE_TOO)
    }
    modules["modelscope.hub.utils.utils"] = {"get_cache_dir": lambda *_, **__: cache}
    modules["modelscope.utils.config_ds"] = {"MS_CACHE_HOME": cache}
    with stand_ins(json_repair={}, aiohttp={}, **modules):
        yield


def swift_data(folder: Path) -> Any:
    """The rows as ms-swift loads them by swift.yaml."""
    load = importlib.import_module("swift.dataset").load_dataset
    settings = yaml.safe_load((folder / "swift.yaml").read_text())
    paths = [str(folder / path) for path in settings["dataset"]]
    rows, _ = load(paths, num_proc=1, strict=True, load_from_cache_file=False)
    return rows


def swift_rows(folder: Path, tokenizer: Any, max_length: int = 2048) -> list[TrainedRow]:
    """What ms-swift trains on by swift.yaml of a folder, with the template `chatml`.

    Rows at which its template fails are left out, as `strict: false` does.
    """
    with swift_modules(folder):
        rows = swift_data(folder)
        get_template = importlib.import_module("swift.template").get_template
        kind = yaml.safe_load((folder / "swift.yaml").read_text())["rlhf_type"]
        tokenizer.model_info = types.SimpleNamespace(
            model_dir=str(folder), torch_dtype=None, max_model_len=None, task_type="causal_lm",
            is_moe_model=False, config=None, model_type="",
        )  # fmt: skip
        tokenizer.model_meta = types.SimpleNamespace(
            template="chatml", is_multimodal=False, task_type=None, candidate_templates=[]
        )
        template = get_template(
            tokenizer,
            template_type="chatml",
            agent_template="hermes",
            max_length=max_length,
            loss_scale="last_round",  # as `swift rlhf` has it
        )
        template.set_mode({"dpo": "rlhf"}.get(kind, kind))
        trained_rows = []
        for row in rows:
            try:
                encoded = template.encode(dict(row))
            except (ValueError, AssertionError):  # MaxLengthError is a ValueError
                continue
            trained_rows.append(_swift_row(encoded, row, tokenizer))
        return trained_rows


def _swift_row(encoded: Any, row: Any, tokenizer: Any) -> TrainedRow:
    sides = ("chosen",) if "label" in encoded else ("chosen", "rejected")
    labels = [[t for t in encoded[f"{side}_labels"] if t >= 0] for side in sides]
    prompts = {
        tokenizer.decode(encoded[f"{side}_input_ids"][: -len(answer_labels)])
        for side, answer_labels in zip(sides, labels, strict=True)
    }
    (prompt,) = prompts
    texts = tuple(tokenizer.decode(answer_labels) for answer_labels in labels)
    images = tuple(row.get("images") or ())
    return TrainedRow(prompt, texts, encoded.get("label"), encoded.get("margin"), images)


def openrlhf_rows(
    folder: Path, tokenizer: Any, max_length: int = 2048, is_dpo: bool = True
) -> list[TrainedRow]:
    """What OpenRLHF's `train_dpo` or `train_rm` trains on by openrlhf.yaml of a folder."""
    import datasets

    home = home_of("openrlhf")
    settings = yaml.safe_load((folder / "openrlhf.yaml").read_text())
    data = datasets.load_dataset(str(folder / settings["data.dataset"]), split="train")
    options = {k.removeprefix("data."): v for k, v in settings.items() if k.startswith("data.")}
    strategy = types.SimpleNamespace(
        args=types.SimpleNamespace(data=types.SimpleNamespace(**options)),
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, content in (
            ("openrlhf", {}),
            ("openrlhf.utils", {}),
            ("openrlhf.utils.utils", {"zero_pad_sequences": None}),
            ("openrlhf.datasets", {}),
            ("openrlhf.datasets.utils", {"exist_and_not_none": lambda d, k: d.get(k) is not None}),
        ):
            module = types.ModuleType(name)
            module.__path__ = []
            vars(module).update(content)
            patch.setitem(sys.modules, name, module)
        path = home / "datasets" / "reward_dataset.py"
        spec = importlib.util.spec_from_file_location("openrlhf_reward", path)
        assert spec is not None
        assert spec.loader is not None
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        rows = loaded.RewardDataset(
            data, tokenizer, max_length, strategy, is_dpo=is_dpo, num_processors=None
        )
    trained_rows = []
    for number in range(len(rows)):
        chosen, _, rejected, _, extra = rows[number]
        prompt = extra if is_dpo else 0
        texts = (tokenizer.decode(side[0][prompt:]) for side in (chosen, rejected))
        margin = None if is_dpo else extra
        trained_rows.append(
            TrainedRow(tokenizer.decode(chosen[0][:prompt]), tuple(texts), margin=margin)
        )
    return trained_rows


def data_of(folder: Path) -> Any:
    """The shards of a folder as `datasets` loads them."""
    import datasets

    return datasets.load_dataset(
        str(folder / "kept"), split="train", cache_dir=str(folder / "cache"), keep_in_memory=True
    )


def trl_folder(folder: Path, tokenizer: Any) -> list[TrainedRow]:
    """What TRL's DPOTrainer or KTOTrainer trains on."""
    return trl_rows(data_of(folder), tokenizer)


def trl_reward_rows(folder: Path, tokenizer: Any) -> list[TrainedRow]:
    """What TRL's RewardTrainer trains on: whole conversations, and the margin."""
    prepared = trl_tokens("Reward", data_of(folder), tokenizer)
    return [
        TrainedRow(
            "",
            (tokenizer.decode(row["chosen_ids"]), tokenizer.decode(row["rejected_ids"])),
            margin=row["margin"],
        )
        for row in prepared
    ]


def torchtune_rows(folder: Path, _: Any) -> list[TrainedRow]:
    """What torchtune's `ChosenRejectedToMessages` makes of the rows that torchtune.yaml names."""
    import datasets

    home = home_of("torchtune")
    entry = yaml.safe_load((folder / "torchtune.yaml").read_text())["dataset"]
    names = ("torchtune", "torchtune.data", "torchtune.data._utils", "torchtune.modules")
    contents: dict[str, dict[str, Any]] = {name: {} for name in names}
    contents["torchtune.data._utils"] = {"format_content_with_images": None, "load_image": None}
    contents["torchtune.modules.transforms"] = {"Transform": object}
    with pytest.MonkeyPatch.context() as patch:
        for name, content in contents.items():
            module = types.ModuleType(name)
            module.__path__ = []
            vars(module).update(content)
            patch.setitem(sys.modules, name, module)
        spec = importlib.util.spec_from_file_location("tune", home / "data" / "_messages.py")
        assert spec is not None
        assert spec.loader is not None
        messages = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, "tune", messages)
        spec.loader.exec_module(messages)
    rows = datasets.load_dataset(
        entry["source"],
        data_files=str(folder / entry["data_files"]),
        split=entry["split"],
        cache_dir=str(folder / "cache"),
        keep_in_memory=True,
    )
    trained_rows = []
    for row in rows:
        talks = messages.ChosenRejectedToMessages(train_on_input=False)(row)
        prompt = "\n".join(m.text_content for m in talks["chosen"] if m.masked)
        answers = tuple(
            "\n".join(m.text_content for m in talks[side] if not m.masked)
            for side in ("chosen", "rejected")
        )
        trained_rows.append(TrainedRow(prompt, answers))
    return trained_rows


def llamafactory_data(folder: Path) -> Any:
    """The rows as LLaMA-Factory's converter aligns them."""
    home_of("llamafactory")
    with pytest.MonkeyPatch.context() as patch, stand_ins(torchaudio={}):
        patch.setenv("DISABLE_VERSION_CHECK", "1")
        loader = importlib.import_module("llamafactory.data.loader")
        parser = importlib.import_module("llamafactory.data.parser")
        hparams = importlib.import_module("llamafactory.hparams")
    from transformers import TrainingArguments

    (entry,) = parser.get_dataset_list(["curated"], str(folder))
    cache = str(folder / "cache")
    return loader._load_single_dataset(
        entry,
        hparams.ModelArguments(model_name_or_path="none", cache_dir=cache),
        hparams.DataArguments(dataset="curated", dataset_dir=str(folder)),
        TrainingArguments(output_dir=cache, report_to="none", use_cpu=True),
    )
