"""Prompts that occur in evaluation sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from pydantic import Field

from curate import Column, Context, Parameters, Scorer
from curate.data.table import messages_text
from curate.models.text.evaluation_texts import EvaluationText, NgramIndex, read_evaluation_texts

_BLOCK = 4096


class ContaminationParams(Parameters):
    """Parameters of `contamination`."""

    against: list[str] = Field(
        min_length=1,
        description="Files of evaluation prompts: jsonl, json, csv, parquet, or txt by lines.",
    )
    column: str | None = Field(
        None, description="Their column of prompts; default prompt, question, instruction, ..."
    )
    ngram: int = Field(8, ge=1, description="Words in an n-gram.")
    overlap: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Share of an evaluation prompt's n-grams from which on it counts as held.",
    )
    cosine: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Cosine of the embeddings from which on prompts match; null: by n-grams alone.",
    )


class Contamination(Scorer[ContaminationParams]):
    """Which evaluation prompt each pair's prompt holds, by n-grams and by embeddings.

    The n-gram rule is that of Tulu 3 (2411.15124, section 3.2: 8-grams, more than half of the
    evaluation prompt), on n-grams in place of tokens. Each distinct prompt is looked up once.
    """

    name = "contamination"
    purpose = "duplicates, diversity, coverage"
    when = (
        "Before training on anything that is evaluated later. Give the evaluation sets "
        "under `against`."
    )
    summary = "prompts that occur in given evaluation sets, by n-grams and embeddings"
    reference = "Tulu 3, arXiv 2411.15124, sec. 3.2"
    Params = ContaminationParams

    def __init__(self, /, **parameters: Any) -> None:
        super().__init__(**parameters)
        self.needs_embeddings = self.params.cosine is not None

    def columns(self) -> tuple[Column, ...]:
        """The verdict, what it rests on, and the match."""
        return (
            Column("matched", "the prompt occurs in an evaluation set", "bool"),
            Column("overlap", "largest share of an evaluation prompt's n-grams", unit="0 to 1"),
            Column("cosine", "largest cosine to an evaluation prompt", unit="-1 to 1"),
            Column("match", "file, row and beginning of the evaluation prompt", "text"),
            Column("status", "ok, or 'no embeddings' where cosines were not asked for", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Matches of all pairs; `facts` lists how many each evaluation set has."""
        p = self.params
        known = read_evaluation_texts(p.against, p.column)
        texts = pairs.select(t=messages_text("prompt"))["t"]
        distinct = texts.unique(maintain_order=True)
        index = NgramIndex([item.text for item in known], p.ngram)
        with context.progress.task("contamination", len(distinct)) as task:
            found = []
            # A prompt stands in many pairs, and the search for its n-grams is the costly part.
            for text in distinct:
                found.append(index.best(text))
                task.advance()
        by_text = pl.DataFrame(
            {"t": distinct, "_at": [at for at, _ in found], "overlap": [s for _, s in found]}
        )
        rows = texts.to_frame().join(by_text, on="t", how="left", maintain_order="left")
        nearest, cosine = self._nearest(known, context, len(pairs))
        held = (rows["overlap"] >= p.overlap).to_numpy()
        close = np.zeros(len(pairs), dtype=bool) if cosine is None else cosine >= (p.cosine or 2.0)
        # N-grams go before cosines: they name the very text that is repeated.
        place = np.where(held, rows["_at"].to_numpy(), np.where(close, nearest, -1))
        self._tell(known, place, context)
        names = [known[i].label() if i >= 0 else None for i in place.tolist()]
        return pl.DataFrame(
            {
                "matched": held | close,
                "overlap": rows["overlap"],
                "cosine": pl.Series(cosine, dtype=pl.Float64)
                if cosine is not None
                else pl.repeat(None, len(pairs), dtype=pl.Float64, eager=True),
                "match": pl.Series(names, dtype=pl.String),
                "status": pl.repeat(
                    "ok" if cosine is not None else "no embeddings", len(pairs), eager=True
                ),
            }
        )

    def _nearest(
        self, known: list[EvaluationText], context: Context, count: int
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]:
        """Number and cosine of the nearest evaluation prompt of each pair."""
        if self.params.cosine is None:
            return np.full(count, -1), None
        if context.embed is None:
            raise RuntimeError("contamination by cosine needs the run's embedder")
        vectors = context.embed([item.text for item in known])
        used, inverse = context.features.distinct("prompt")
        best = np.empty(len(used), dtype=np.int64)
        cosine = np.empty(len(used), dtype=np.float64)
        # Blocks, so that cosines of all prompts with all evaluation texts are never held at once.
        for start in range(0, len(used), _BLOCK):
            block = slice(start, start + _BLOCK)
            products = context.features.vectors[used[block]] @ vectors.T
            best[block] = products.argmax(1)
            cosine[block] = products.max(1)
        return best[inverse], cosine[inverse]

    def _tell(
        self, known: list[EvaluationText], place: np.ndarray[Any, Any], context: Context
    ) -> None:
        matched = [known[i] for i in place.tolist() if i >= 0]
        sources = dict.fromkeys(item.source for item in known)
        context.facts["pairs_by_evaluation_set"] = {
            name: sum(item.source == name for item in matched) for name in sources
        }
        context.facts["evaluation_prompts"] = len(known)
        context.facts["evaluation_prompts_found"] = len({(m.source, m.row) for m in matched})
