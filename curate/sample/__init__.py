"""The bundled sample (PandaLM, Apache-2.0) and the default pipeline."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent
SAMPLE_DATA = _FOLDER / "pandalm-sample.jsonl.gz"


def default_pipeline(data: str) -> str:
    """The commented default pipeline.yaml for a data set."""
    text = (_FOLDER / "pipeline.yaml").read_text(encoding="utf-8")
    return text.replace("path: DATA ", f"path: {data} ", 1)
