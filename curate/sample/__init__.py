"""The bundled sample (PandaLM, Apache-2.0) and the default pipeline."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent
SAMPLE_DATA = _FOLDER / "pandalm-sample.jsonl.gz"


_INPUT = "  path: DATA\n"


def default_pipeline(data: str, lines: str | None = None) -> str:
    """Return the commented default pipeline.yaml for a dataset; `lines` are the keys of `input`."""
    lines = lines or f"  path: {data}"
    text = (_FOLDER / "pipeline.yaml").read_text(encoding="utf-8")
    return text.replace(_INPUT, f"{lines}\n", 1)
