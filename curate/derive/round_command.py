"""The command `curate round`: from a pool and gold pairs to a run folder, the next of a chain."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from curate.derive.pool import Pool, Writer
from curate.derive.rounds import Round, changes, make_round
from curate.errors import CurateError
from curate.models.embed.frame import embed_frame
from curate.models.embed.settings import EmbedderConfig
from curate.models.embed.told import embedding_notes
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
    """How a round is made.

    Attributes:
        gold: name of the gold pairs, for the manifest.
        before: folder of the round before.
        vote: share of the dropped-out networks that must side with a label, at least; UPO's
            majority is 0.5.
        easy: share of the pairs that pass both gates, drawn by UPO's odds for easy pairs.
        people: pairs that are named for people at most.
        format: export of the shards.
        seed: of the draw.
    """

    gold: str
    before: Path | None = None
    vote: float = 0.5
    easy: float = 0.5
    people: int = 50
    format: str = "trl"
    seed: int = 0


def run_round(
    pool: Pool | pl.DataFrame,
    gold: pl.DataFrame,
    plan: RoundPlan,
    out: Path,
    overwrite: bool,
    progress: Progress,
    embedder: EmbedderConfig | None = None,
    store: str | None = "auto",
) -> tuple[Result, dict[str, Any]]:
    """Make a round and write its folder: a run, `round.json`, and pairs for people.

    Args:
        pool: prompts with answers, or pairs with labels.
        gold: pairs that people labelled.
        plan: how.
        out: folder to write.
        overwrite: replace an earlier run there.
        progress: where progress is shown.
        embedder: of the texts.
        store: as in pipeline.yaml.

    Returns:
        The run's result, and what `round.json` holds.

    Raises:
        CurateError: a mistake in the data, or a folder that is no round.
    """
    before, number = _before(plan.before)
    settings = embedder or EmbedderConfig()

    # Gold pairs, the pool and the round before are embedded one by one: each note once.
    notes: dict[str, None] = {}

    def embed(frame: pl.DataFrame) -> Features:
        features, facts = embed_frame(frame, settings, store, progress)
        notes.update(dict.fromkeys(embedding_notes(facts)))
        return features

    made = make_round(pool, gold, before, embed, plan.people)
    chain = {"round": number, "gold": plan.gold, "before": plan.before and str(plan.before)}
    told = {**chain, **made.facts}
    count = len(made.pairs)
    pairs = Pairs(made.pairs, format="round", rows_read=count, notes=tuple(notes), derivation=told)
    # The rest is a run as any other: dropped pairs keep their reasons, and nothing is lost.
    config = pipeline_of(plan, store)
    result = Pipeline(config).run(pairs, output=out, overwrite=overwrite, progress=progress)
    found = told | {"kept": result.rows_kept, "changes": changes(result.kept, before)}
    _write(out, made, found)
    return result, found


def pipeline_of(plan: RoundPlan, store: str | None) -> dict[str, Any]:
    """The filters of a round: both heads agree, most networks side with the label, an easy draw."""
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


def writer(params: EndpointParams, answers: int, context: Context) -> Writer:
    """Writes several answers to each prompt, by seeds that differ."""

    def write(prompts: Sequence[list[Turn]]) -> list[list[str]]:
        questions = [
            [{"role": str(t["role"]), "content": str(t["content"])} for t in p] for p in prompts
        ]
        found: list[list[str]] = [[] for _ in prompts]
        # Equal questions are asked once: a seed makes each of them another one.
        for seed in range(answers):
            own = params.model_copy(update={"request": params.request | {"seed": seed}})
            for texts, reply in zip(found, ask_endpoint(questions, context, own), strict=True):
                if reply.text:
                    texts.append(reply.text)
        return found

    return write


def _before(folder: Path | None) -> tuple[pl.DataFrame | None, int]:
    """The pairs that the round before kept, and the number of this one."""
    if folder is None:
        return None, 1
    place = folder / ROUND
    if not place.is_file():
        raise CurateError(
            "the folder holds no round",
            where="--before",
            found=str(folder),
            expected=f"a folder that 'curate round' wrote, with {ROUND}",
        )
    kept = pl.concat(list(RunFiles(folder).kept()))
    return kept, int(json.loads(place.read_text())["round"]) + 1


def _write(out: Path, made: Round, found: dict[str, Any]) -> None:
    if len(made.people):
        write_shards(iter([made.people]), out / PEOPLE, "parquet", 100_000)
    write_json(found, out / ROUND)


def endpoint_writer(
    model: str, url: str | None, answers: int, progress: Progress, store: str | None = "auto"
) -> Writer:
    """A writer by an OpenAI-compatible endpoint, at temperature 1."""
    params = EndpointParams(model=model, base_url=url, temperature=1.0, reply_tokens=None)
    return writer(params, answers, Context(progress=progress, store=open_store(store)))
