"""A sentence embedder quantised to 8-bit integers, and the error of its vectors."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import redirect_stdout
from gzip import decompress
from importlib import resources
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np

from curate.models.embed.report import RoundingError
from curate.optional_packages import need

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from openvino import Model

# Texts that set the ranges, and others on which the cosine is measured.
_CALIBRATION, _TRIED = 100, 50
_MOST_JOINED = 7
"""Bundled texts that are put together at most, so that long ones are among them."""
# Fixed: vectors in the store must be the same in every run.
_SEED = 0


def int8_version() -> str:
    """Return the version of what chooses the numbers, since vectors differ between two of them."""
    import nncf

    return str(nncf.__version__)


def quantise_model(converted: Model, inputs: Callable[[str], list[NDArray[np.int64]]]) -> Model:
    """Return the OpenVINO model with 8-bit weights and activations, their ranges set by 100 texts.

    Texts are those of 250 bundled items of PandaLM (Apache-2.0), whatever the data: vectors of a
    text are the same in every run. It takes some ten seconds.

    Args:
        converted: from OpenVINO's converter.
        inputs: of the model, for one text.

    Raises:
        CurateError: nncf is not installed.
    """
    need("nncf", "int8", "embedder.backend: openvino-int8")
    import nncf

    nncf.set_log_level(logging.ERROR)
    data = nncf.Dataset([inputs(text) for text in calibration_texts()[:_CALIBRATION]])
    # It draws bars of its own, which nothing turns off.
    with redirect_stdout(StringIO()):
        return nncf.quantize(
            converted, data, model_type=nncf.ModelType.TRANSFORMER, subset_size=_CALIBRATION
        )


def calibration_texts() -> list[str]:
    """Return bundled texts of many lengths: those that set ranges, then those to try."""
    packed = (
        resources.files("curate.models.embed").joinpath("int8_calibration.jsonl.gz").read_bytes()
    )
    rows = [json.loads(line) for line in decompress(packed).splitlines()]
    parts = [row[key] for row in rows for key in ("instruction", "response1", "response2")]
    rng = np.random.default_rng(_SEED)
    counts = rng.integers(1, _MOST_JOINED + 1, size=_CALIBRATION + _TRIED)
    return [" ".join(rng.choice(parts, count)) for count in counts]


def validation_texts() -> list[str]:
    """Return the bundled texts that set no ranges."""
    return calibration_texts()[_CALIBRATION:]


def cosine_to_exact(vectors: NDArray[np.float32], exact: NDArray[np.float32]) -> RoundingError:
    """Return least and mean cosine of (texts, dim) vectors with those of float32, both of length
    1."""
    cosine = np.einsum("nd,nd->n", vectors, exact)
    least, mean = round(float(cosine.min()), 4), round(float(cosine.mean()), 4)
    return RoundingError(len(vectors), least, mean)
