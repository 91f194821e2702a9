"""The command `curate round`: from a pool and gold pairs to a run folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from curate.data.json_result import JsonResult
from curate.data.json_types import JsonObject
from curate.derive.pool import AnswerPool, PoolWriter
from curate.derive.rounds import Round, RoundFindings, compare_with_previous, make_round
from curate.errors import CurateError
from curate.models.embed.frame import embed_frame
from curate.models.embed.settings import EmbedderConfig
from curate.models.judge.asking import ask_endpoint
from curate.models.judge.endpoint import EndpointParams
from curate.pipeline.run import Pipeline
from curate.read.messages import Turn
from curate.read.pairs import Pairs
from curate.steps.context import Context, Progress
from curate.store.store import open_store
from curate.write.run_files import RunFiles
from curate.write.shards import write_json, write_shards

if TYPE_CHECKING:
    from curate.pipeline.result import Result
    from curate.steps.features import Features

ROUND, PEOPLE = "round.json", "for_people"


@dataclass(frozen=True)
class RoundPlan:
    """Settings of a round.

    Attributes:
        gold: name of the gold pairs, for the manifest.
        before: folder of the previous round.
        vote: minimum share of dropout passes that agree with a label; 0.5 is UPO's majority.
        easy: share of the remaining pairs to sample, with UPO's odds for easy pairs.
        people: maximum number of pairs to suggest for review.
        format: export format of the shards.
        seed: random seed of the sample.
    """

    gold: str
    before: Path | None = None
    vote: float = 0.5
    easy: float = 0.5
    people: int = 50
    format: str = "trl"
    seed: int = 0


@dataclass(frozen=True)
class RoundReport(JsonResult):
    """What round.json says.

    Attributes:
        number: number of the round.
        gold: name of the gold pairs.
        before: folder of the previous round; None for the first.
        findings: counts of the round, and what its probes are worth.
        rows_kept: pairs that are kept.
        changes: pairs that are new, kept, flipped and removed since the previous round.
    """

    number: int
    gold: str
    before: str | None
    findings: RoundFindings
    rows_kept: int = 0
    changes: dict[str, int] = field(default_factory=dict)

    def derivation(self) -> JsonObject:
        """Return where the pairs of the round come from."""
        source: JsonObject = {"round": self.number, "gold": self.gold, "before": self.before}
        return source | self.findings.to_json()

    def to_json(self) -> JsonObject:
        """Return the report as plain data."""
        return self.derivation() | {"kept": self.rows_kept, "changes": self.changes}


def run_round(
    pool: AnswerPool | pl.DataFrame,
    gold: pl.DataFrame,
    plan: RoundPlan,
    out: Path,
    overwrite: bool,
    progress: Progress,
    embedder: EmbedderConfig | None = None,
    store: str | None = "auto",
) -> tuple[Result, RoundReport]:
    """Compute a round and write its folder: a run, `round.json`, and pairs for review.

    Args:
        pool: prompts with answers, or labelled pairs.
        gold: pairs labelled by people.
        plan: the settings of the round.
        out: output folder.
        overwrite: whether to replace an earlier run.
        progress: reports progress.
        embedder: settings of the embedder.
        store: cache folder, as in pipeline.yaml.

    Raises:
        CurateError: invalid data, or the previous folder is not a round.
    """
    before, number = _read_previous_round(plan.before)
    embed = _Embedding(embedder or EmbedderConfig(), store, progress)
    new_round = make_round(pool, gold, before, embed, plan.people)
    folder = None if plan.before is None else str(plan.before)
    report = RoundReport(number, plan.gold, folder, new_round.findings)
    pairs = _as_dataset(new_round.pairs, tuple(embed.notes), report.derivation())
    # From here on a normal run: dropped pairs are saved with the reason.
    pipeline = Pipeline(pipeline_of(plan, store))
    result = pipeline.run(pairs, output=out, overwrite=overwrite, progress=progress)
    changes = compare_with_previous(result.kept, before)
    report = replace(report, rows_kept=result.rows_kept, changes=changes)
    _write_round_files(out, new_round, report)
    return result, report


@dataclass(frozen=True)
class _Embedding:
    """Embeds gold pairs, pool and previous round separately; each note is reported once."""

    settings: EmbedderConfig
    store: str | None
    progress: Progress
    notes: dict[str, None] = field(default_factory=dict)

    def __call__(self, frame: pl.DataFrame) -> Features:
        """Return the features of some pairs."""
        features, embedding = embed_frame(frame, self.settings, self.store, self.progress)
        self.notes.update(dict.fromkeys(embedding.notes))
        return features


def _as_dataset(pairs: pl.DataFrame, notes: tuple[str, ...], facts: JsonObject) -> Pairs:
    return Pairs(pairs, format="round", rows_read=len(pairs), notes=notes, derivation=facts)


def pipeline_of(plan: RoundPlan, store: str | None) -> JsonObject:
    """Return the pipeline of a round: two probes agree, dropout passes agree, a sample."""
    return {
        "scorers": [{"type": "lengths"}],
        "filters": [
            {"type": "flip_where", "name": "recycled", "condition": "`extra.turn` = 'true'"},
            {
                "type": "expression",
                "name": "two_models",
                "keep": "`extra.agree` = 'true' OR `extra.turn` = 'true'",
            },
            {"type": "expression", "name": "gate", "keep": f"`extra.vote` > {plan.vote}"},
            {"type": "sample", "name": "easy", "share": plan.easy, "weights": "extra.easy_weight"},
        ],
        "output": {"format": plan.format},
        "seed": plan.seed,
        "store": store,
    }


def answer_writer(params: EndpointParams, answers: int, context: Context) -> PoolWriter:
    """Return a writer of several answers per prompt, with different seeds."""

    def write(prompts: Sequence[list[Turn]]) -> list[list[str]]:
        questions = [
            [{"role": str(t["role"]), "content": str(t["content"])} for t in p] for p in prompts
        ]
        answers_by_prompt: list[list[str]] = [[] for _ in prompts]
        # Equal requests are cached: a different seed makes each of them a new one.
        for seed in range(answers):
            seeded_params = params.model_copy(update={"request": params.request | {"seed": seed}})
            for texts, reply in zip(
                answers_by_prompt, ask_endpoint(questions, context, seeded_params), strict=True
            ):
                if reply.text:
                    texts.append(reply.text)
        return answers_by_prompt

    return write


def _read_previous_round(folder: Path | None) -> tuple[pl.DataFrame | None, int]:
    """Return the kept pairs of the previous round, and the number of this one."""
    if folder is None:
        return None, 1
    facts_path = folder / ROUND
    if not facts_path.is_file():
        raise CurateError(
            "the folder is not a round",
            where="--before",
            found=str(folder),
            expected=f"a folder written by 'curate round', with {ROUND}",
        )
    kept_pairs = pl.concat(list(RunFiles(folder).kept_batches()))
    return kept_pairs, int(json.loads(facts_path.read_text())["round"]) + 1


def _write_round_files(out: Path, new_round: Round, report: RoundReport) -> None:
    if len(new_round.people):
        write_shards(iter([new_round.people]), out / PEOPLE, "parquet", 100_000)
    write_json(report.to_json(), out / ROUND)


def round_writer(
    model: str, url: str | None, answers: int, progress: Progress, store: str | None = "auto"
) -> PoolWriter:
    """Return a writer that uses an OpenAI-compatible endpoint, at temperature 1."""
    params = EndpointParams(model=model, base_url=url, temperature=1.0, reply_tokens=None)
    return answer_writer(params, answers, Context(progress=progress, store=open_store(store)))
