"""The bundled sample, the pipeline that shows curate on it, and the default pipeline.

The sample holds public preference pairs of PandaLM and Auto-J (Apache-2.0), in which one label in
five was flipped on purpose. `tests/make_sample.py` makes it.
"""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent
SAMPLE_DATA = _FOLDER / "preferences.jsonl.gz"
FLIPPED_IDS = _FOLDER / "flipped.json"

_INPUT = "  path: DATA\n"
# What the sample has beside its labels: 50 judged pairs, and the verdicts of a language model.
_GOLD = "gold: {column: extra.judged}\n"
_EVIDENCE = ", evidence: [extra.gpt_3_5]"


def default_pipeline(data: str, lines: str | None = None, single_answers: bool = False) -> str:
    """Return the commented default pipeline.yaml for a dataset.

    Args:
        data: path of the dataset.
        lines: the keys of `input`, where they are more than the path.
        single_answers: whether rows hold one answer each, for which other steps work.
    """
    lines = lines or f"  path: {data}"
    name = "answers.yaml" if single_answers else "pipeline.yaml"
    text = (_FOLDER / name).read_text(encoding="utf-8")
    return text.replace(_INPUT, f"{lines}\n", 1)


def sample_pipeline(labels_only: bool = False) -> str:
    """Return the default pipeline for the sample.

    Args:
        labels_only: leave out the judged pairs and the language model's verdicts.
    """
    from curate.models.embed.static import static_folder

    text = default_pipeline(str(SAMPLE_DATA))
    # The first run should take seconds: static vectors also cover whole texts. Without them `auto`
    # takes MiniLM, which needs two minutes.
    if static_folder() is not None:
        text = text.replace("{name: auto}", "{name: static}", 1)
    if labels_only:
        return text
    for scorer in ("noise_score", "label_em"):
        text = text.replace(f"type: {scorer}}}", f"type: {scorer}{_EVIDENCE}}}", 1)
    return text.replace("embedder:", f"{_GOLD}\nembedder:", 1)
