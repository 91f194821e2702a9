"""Small pair tables, and simulated features whose truth is known."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import expit

from curate.auditing.agreement import AnnotatorAgreement
from curate.auditing.audit_report import AuditReport
from curate.auditing.biases import LabelBiases
from curate.auditing.candidates import CandidateDiversity
from curate.auditing.feedback import UserFeedback
from curate.auditing.noise import NoiseFindings
from curate.auditing.structure import PreferenceStructure
from curate.data.messages import PLACEHOLDERS
from curate.data.table import PAIR_COLUMNS, messages_series, with_pair_ids
from curate.models.embed.pair_embeddings import distinct_texts
from curate.models.embed.report import EmbeddingReport
from curate.models.text.style import text_style
from curate.read.inspection import DatasetSummary
from curate.read.pairs import Pairs, read_pairs
from curate.steps.context import Context
from curate.steps.features import Features

PANDALM_SAMPLE = Path(__file__).parent / "data" / "pandalm" / "pandalm-sample.jsonl.gz"
"""250 items of PandaLM with three votes each; 750 pairs with repeated votes."""


def turn(text: str, role: str = "assistant") -> list[dict[str, Any]]:
    """A plain message as the pair table holds it."""
    return [{"role": role, "content": text, "more": None}]


def published(text: str, role: str = "assistant") -> list[dict[str, str]]:
    """A plain message as trainers read it."""
    return [{"role": role, "content": text}]


def pairs_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """A pair table from rows of prompt, chosen, rejected (texts) and any other pair column."""
    full = [
        {
            **dict.fromkeys(PAIR_COLUMNS),
            "is_tie": False,
            "source": "test",
            **row,
            "prompt": turn(row["prompt"], "user"),
            "chosen": turn(row["chosen"]),
            "rejected": turn(row["rejected"]),
        }
        for row in rows
    ]
    return with_pair_ids(pl.DataFrame(full, schema=PAIR_COLUMNS))


def media_answers(pairs: pl.DataFrame, column: str = "images") -> pl.DataFrame:
    """The pairs with marks of media in the place of the texts where both answers have some."""
    mark = PLACEHOLDERS[f"{column[:-1]} parts"]
    has = pairs[column].is_not_null() & pairs[f"rejected_{column}"].is_not_null()
    bare = messages_series("bare", [turn(mark) if has_mark else None for has_mark in has])
    return pairs.with_columns(
        pl.Series(pl.select(pl.coalesce(bare, pairs[side])).to_series()).alias(side)
        for side in ("chosen", "rejected")
    )


def numbered_pairs(count: int, prompts: int | None = None) -> pl.DataFrame:
    """`count` pairs of distinct answers over `prompts` prompts."""
    prompts = prompts or count
    return pairs_of(
        [
            {"prompt": f"prompt {i % prompts}", "chosen": f"good {i}", "rejected": f"evil {i}"}
            for i in range(count)
        ]
    )


def swapped(pairs: pl.DataFrame) -> pl.DataFrame:
    """The same pairs with the labels flipped."""
    return pairs.with_columns(chosen="rejected", rejected="chosen")


@dataclass
class Simulation:
    """Pairs labelled by a known linear reward, some labels flipped.

    `pairs` hold the observed labels; `margin` is the true margin of the observed label.
    """

    pairs: pl.DataFrame
    context: Context
    flipped: np.ndarray
    margin: np.ndarray


def simulate(
    count: int = 600, dim: int = 8, scale: float = 4.0, flips: float = 0.2, seed: int = 0
) -> Simulation:
    """Bradley-Terry labels of a linear reward on random features, then independent flips."""
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(2, count, dim)).astype(np.float32)
    weight = rng.normal(size=dim)
    weight *= scale / np.sqrt(2.0) / np.linalg.norm(weight)
    margin = (first - second) @ weight
    wins = rng.random(count) < expit(margin)
    flipped = rng.random(count) < flips
    observed = wins ^ flipped
    pairs = numbered_pairs(count, prompts=count // 2)
    vectors = {f"good {i}": first[i] if observed[i] else second[i] for i in range(count)}
    vectors |= {f"evil {i}": second[i] if observed[i] else first[i] for i in range(count)}
    context = context_of(pairs, vectors, dim)
    return Simulation(pairs, context, flipped, np.where(observed, margin, -margin))


def context_of(pairs: pl.DataFrame, vectors: dict[str, np.ndarray], dim: int) -> Context:
    """A context whose features are given by text; texts without one are random unit vectors."""
    texts, index = distinct_texts(pairs)
    rng = np.random.default_rng(99)
    noise = rng.normal(size=(len(texts), dim)).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    rows = [vectors.get(text, noise[i]) for i, text in enumerate(texts)]
    features = Features(np.stack(rows).astype(np.float32), text_style(texts), index)
    return Context().for_pairs(pairs, features)


def dataset_summary(**counts: Any) -> DatasetSummary:
    """The summary of a dataset that holds nothing but what is given."""
    numbers = dict.fromkeys(
        (
            *("rows_read", "rows_rejected", "pairs", "distinct_prompts", "ties", "strengths"),
            *("identical_answers", "empty_answers", "exact_repeats", "contradicted"),
        ),
        0,
    )
    lists: dict[str, Any] = {name: [] for name in ("left_out", "notes", "extra_keys")}
    named: dict[str, Any] = {
        name: {} for name in ("prompt_turns", "annotators", "sources", "besides_texts")
    }
    empty = {
        "format": "trl",
        "chosen_is_longer": 0.5,
        "characters": {},
        **numbers,
        **lists,
        **named,
    }
    return DatasetSummary(**(empty | counts))


def audit_report(**sections: Any) -> AuditReport:
    """The report of an audit that found nothing but what is given."""
    empty: dict[str, Any] = {
        "versions": {},
        "seed": 0,
        "dataset": None,
        "embedder": EmbeddingReport(),
        "data": dataset_summary(pairs=1000, distinct_prompts=400),
        "sampled": None,
        "noise": NoiseFindings(),
        "agreement": AnnotatorAgreement(0),
        "biases": LabelBiases(()),
        "artefacts": (),
        "style": None,
        "structure": PreferenceStructure(0, 0, 0, None),
        "candidates": CandidateDiversity(0),
        "feedback": UserFeedback(),
    }
    return AuditReport(**(empty | sections))


def write_jsonl(path: Path, rows: list[Any]) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read_rows(folder: Path, rows: list[dict[str, Any]], kind: str = "jsonl", **more: Any) -> Pairs:
    """The pairs of rows that stand in a file of JSON lines or in Parquet."""
    path = folder / f"rows.{kind}"
    if kind == "jsonl":
        write_jsonl(path, rows)
    else:
        names = dict.fromkeys(name for row in rows for name in row)
        full_rows = [{name: row.get(name) for name in names} for row in rows]
        pq.write_table(pa.Table.from_pylist(full_rows), path)
    return read_pairs(str(path), **more)


def trl_rows(count: int) -> list[dict[str, str]]:
    return [
        {"prompt": f"question {i}", "chosen": f"good answer {i}", "rejected": f"bad answer {i}"}
        for i in range(count)
    ]
