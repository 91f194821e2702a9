"""Prompts that occur in evaluation sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from pydantic import Field

from curate import Column, Context, Input, Parameters, Scorer, Standing
from curate.scoring import messages_text
from curate.scoring.texts import EvaluationText, NgramIndex, plain_texts, read_evaluation_texts

# 4096 prompts by 10,000 evaluation texts are 160 MB of cosines.
_PROMPTS_PER_BLOCK = 4096


class ContaminationParams(Parameters):
    """Parameters of `contamination`."""

    against: list[str] = Field(
        min_length=1,
        description="Files of evaluation prompts: jsonl, json, csv, parquet, txt by lines, or "
        "hashes of `curate hash-prompts` (.ngrams.parquet).",
    )
    column: str | None = Field(
        None, description="Their column of prompts; default prompt, question, instruction, ..."
    )
    ngram: int = Field(8, ge=1, description="Words in an n-gram.")
    overlap: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Share of an evaluation prompt's n-grams at which it counts as repeated.",
    )
    cosine: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Cosine of the embeddings at which prompts match; null: use n-grams only.",
    )


class Contamination(Scorer[ContaminationParams]):
    """Find the evaluation prompt that each pair's prompt repeats, by n-grams and by embeddings.

    `overlap` is the largest share of an evaluation prompt's n-grams in the prompt, 0 to 1;
    `cosine` the largest cosine, -1 to 1; `matched` says whether either reaches its threshold,
    `match` names the evaluation prompt. The rule is that of Tulu 3 (arXiv 2411.15124, sec. 3.2:
    8-grams, more than half of the evaluation prompt), on n-grams instead of tokens. Use it before
    training on anything that is evaluated later, with the filter `decontaminate`.

    Examples:
        >>> import tempfile
        >>> from curate import score
        >>> question = "Please answer: what is the capital of France?"
        >>> row = {"prompt": question, "chosen": "a", "rejected": "b"}
        >>> with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        ...     _ = file.write("What is the capital of France?")
        ...     file.flush()
        ...     scores = score([row], "contamination", against=[file.name], ngram=3)
        >>> scores.frame.select("contamination.matched", "contamination.overlap").row(0)
        (True, 1.0)
    """

    name = "contamination"
    purpose = "duplicates, diversity, coverage"
    standing = Standing.RECOMMENDED
    when = (
        "Before training on anything that is evaluated later. List the evaluation sets "
        "under `against`."
    )
    summary = "prompts that occur in given evaluation sets, by n-grams and embeddings"
    reference = "Tulu 3, arXiv 2411.15124, sec. 3.2"
    single_answer_columns = ("matched", "overlap", "cosine", "match", "status")
    Params = ContaminationParams

    def __init__(self, /, **parameters: Any) -> None:
        super().__init__(**parameters)
        if self.params.cosine is not None:
            self.inputs = self.inputs | {Input.EMBEDDINGS}

    def columns(self) -> tuple[Column, ...]:
        """Return the verdict, its grounds and the match."""
        return (
            Column("matched", "the prompt occurs in an evaluation set", "bool"),
            Column("overlap", "largest share of an evaluation prompt's n-grams", unit="0 to 1"),
            Column("cosine", "largest cosine to an evaluation prompt", unit="-1 to 1"),
            Column("match", "file, row and beginning of the evaluation prompt", "text"),
            Column("status", "ok, or 'no embeddings' where cosines were not requested", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return matches of all pairs; `facts` counts them by evaluation set."""
        p = self.params
        evaluation_texts = read_evaluation_texts(p.against, p.column)
        texts = pairs.select(t=messages_text("prompt"))["t"]
        rows = self._overlaps(texts, evaluation_texts, context)
        nearest, cosine = self._nearest_texts(evaluation_texts, context, len(pairs))
        overlap_mask = (rows["overlap"] >= p.overlap).to_numpy()
        cosine_mask = (
            np.zeros(len(pairs), dtype=bool) if cosine is None else cosine >= (p.cosine or 2.0)
        )
        # N-grams take precedence over cosines: they identify the text that is repeated.
        match_index = np.where(
            overlap_mask, rows["_at"].to_numpy(), np.where(cosine_mask, nearest, -1)
        )
        self._record_matches(evaluation_texts, match_index, context)
        names = [evaluation_texts[i].label() if i >= 0 else None for i in match_index.tolist()]
        return pl.DataFrame(
            {
                "matched": overlap_mask | cosine_mask,
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

    def _overlaps(
        self, texts: pl.Series, evaluation_texts: list[EvaluationText], context: Context
    ) -> pl.DataFrame:
        """Return `_at`, the evaluation prompt of largest overlap, and `overlap` of each prompt."""
        distinct = texts.unique(maintain_order=True)
        words = self.params.ngram
        index = NgramIndex((item.hashed(words) for item in evaluation_texts), words)
        matches = []
        with context.progress.task("contamination", len(distinct)) as task:
            # Distinct prompts only: one prompt can be in many pairs, and the search is costly.
            for text in distinct:
                matches.append(index.best(text))
                task.advance()
        by_text = pl.DataFrame(
            {"t": distinct, "_at": [at for at, _ in matches], "overlap": [s for _, s in matches]}
        )
        return texts.to_frame().join(by_text, on="t", how="left", maintain_order="left")

    def _nearest_texts(
        self, evaluation_texts: list[EvaluationText], context: Context, count: int
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]:
        """Return index and cosine of the nearest evaluation prompt of each pair."""
        if self.params.cosine is None:
            return np.full(count, -1), None
        if context.embed is None:
            raise RuntimeError("contamination by cosine needs the run's embedder")
        texts = plain_texts(evaluation_texts, "contamination, cosine")
        vectors = context.embed(texts)
        used, inverse = context.features.distinct("prompt")
        best = np.empty(len(used), dtype=np.int64)
        cosine = np.empty(len(used), dtype=np.float64)
        # In blocks: the matrix of all prompts by all evaluation texts may not fit into memory.
        for start in range(0, len(used), _PROMPTS_PER_BLOCK):
            block = slice(start, start + _PROMPTS_PER_BLOCK)
            products = context.features.vectors[used[block]] @ vectors.T
            best[block] = products.argmax(1)
            cosine[block] = products.max(1)
        return best[inverse], cosine[inverse]

    def _record_matches(
        self,
        evaluation_texts: list[EvaluationText],
        match_index: np.ndarray[Any, Any],
        context: Context,
    ) -> None:
        matched = [evaluation_texts[i] for i in match_index.tolist() if i >= 0]
        sources = dict.fromkeys(item.source for item in evaluation_texts)
        context.facts["pairs_by_evaluation_set"] = {
            name: sum(item.source == name for item in matched) for name in sources
        }
        context.facts["evaluation_prompts"] = len(evaluation_texts)
        context.facts["evaluation_prompts_found"] = len({(m.source, m.row) for m in matched})
