"""Probabilities of labels of images, by any image-classification model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from curate.scoring.embeddings import run_with_oom_retry
from curate.scoring.lm import devices_of, load_image_classifier

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from curate.scoring.lm import Inference, ModelSpec


class ImageLabels:
    """An image-classification model on one device.

    Args:
        spec: of the model.
        settings: device and type of weights.
    """

    def __init__(self, spec: ModelSpec, settings: Inference) -> None:
        self.spec, self.settings = spec, settings
        self.device = devices_of(settings)[0]

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        return load_image_classifier(self.spec, self.settings, self.device)

    @property
    def labels(self) -> list[str]:
        """Return names of the labels, in order."""
        config = self._loaded[0].config
        return [str(config.id2label[i]) for i in range(config.num_labels)]

    def probabilities(self, images: Sequence[Any]) -> NDArray[np.float64]:
        """Return (images, labels): softmax, or a sigmoid for each label of a multi-label model."""
        model, processor = self._loaded
        several = model.config.problem_type == "multi_label_classification"

        def run(batch: Sequence[Any]) -> list[torch.Tensor]:
            pixels = processor(images=list(batch), return_tensors="pt")["pixel_values"]
            with torch.inference_mode():
                logits = model(pixels.to(self.device, model.dtype)).logits.double()
            return [torch.sigmoid(logits) if several else torch.softmax(logits, dim=-1)]

        probabilities = run_with_oom_retry(images, run, f"{self.spec.name} on {self.device}")
        values: NDArray[np.float64] = torch.cat(probabilities).cpu().numpy()
        return values
