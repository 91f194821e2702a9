"""curate beside what people use instead, each pair of lines in one run.

python -m tests.benchmarks.peers [--pairs 100000] [--prompts 50000] [--data-juicer PYTHON]
semhash is compared where it is installed (pip install semhash). data-juicer wants other versions of
our libraries: PYTHON is the interpreter of an environment of its own (pip install py-data-juicer
aiohttp).
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score

from curate import read_pairs
from curate.data.table import messages_text
from curate.models.embed.static import StaticEmbedder
from curate.models.text.near_duplicates import near_duplicate_of
from curate.scorers.lengths import Lengths
from curate.scorers.noise_score import NoiseScore
from curate.scorers.reward_margin import RewardMargin
from curate.steps.context import Context, SilentProgress
from curate.store.scratch import ScratchSpace
from tests.benchmarks.many_vectors import make_vectors
from tests.benchmarks.scale import make, sentences


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Wall seconds of one run, and what it gave."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def label_issues(count: int, table: Table) -> None:
    """Wrong labels: held-out scores here, cleanlab on scikit-learn's cross-validation there."""
    from cleanlab.rank import get_label_quality_scores
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    pairs, features = make_vectors(count, ScratchSpace())
    index = features.index
    reward = np.random.default_rng(0).standard_normal(features.vectors.shape[1])
    difference = features.of("chosen") - features.of("rejected")
    # Labels are drawn from the true margin: those against it are the ones to find.
    against = difference @ reward < 0
    context = Context().for_pairs(pairs, features)
    ours, scores = timed(lambda: NoiseScore(style=False).score(pairs, context))
    plain, margins = timed(lambda: RewardMargin().score(pairs, context))
    side = np.random.default_rng(1).random(count) < 0.5
    table_of = np.where(side[:, None], difference, -difference)

    def theirs() -> np.ndarray:
        model = LogisticRegression(max_iter=200)
        labels = side.astype(int)
        p = cross_val_predict(model, table_of, labels, cv=5, method="predict_proba", n_jobs=1)
        return get_label_quality_scores(labels, p)

    peer, quality = timed(theirs)
    auc = [
        roc_auc_score(against, scores["score"]),
        roc_auc_score(against, -margins["margin"].to_numpy()),
        roc_auc_score(against, -quality),
    ]
    assert len(index["chosen"]) == count
    issues = f"cleanlab, cross_val_predict of 5 folds: {peer:.1f} s (AUROC {auc[2]:.3f})"
    for name, seconds, area in (
        ("noise_score", ours, auc[0]),
        ("reward_margin, 40 heads", plain, auc[1]),
    ):
        row = f"{name}, {count:,} pairs: {seconds:.1f} s (AUROC {area:.3f})"
        table.add_row(row, issues, f"{peer / seconds:.1f}")


def _answers(count: int) -> pl.DataFrame:
    """Pairs of five known sentences each."""
    rng, answers = np.random.default_rng(0), sentences()
    texts = [
        " ".join(answers[i] for i in rng.integers(len(answers), size=5)) for _ in range(2 * count)
    ]
    turn = pl.Series([[{"role": "assistant", "content": t, "more": None}] for t in texts])
    frame = pl.DataFrame({"chosen": turn[:count], "rejected": turn[count:]})
    return frame.with_columns(prompt=pl.col("chosen"))


def lengths(count: int, table: Table) -> None:
    """Characters and words of both answers: a scorer here, a script with datasets.map there."""
    from datasets import Dataset
    from datasets.utils.logging import disable_progress_bar

    disable_progress_bar()
    frame = _answers(count)
    ours, _ = timed(lambda: Lengths().score(frame, Context()))
    texts = pl.col("chosen", "rejected").list.first().struct.field("content").name.keep()
    data = Dataset.from_dict(frame.select(texts).to_dict(as_series=False))

    def measure(row: dict[str, str]) -> dict[str, int]:
        lengths_of_texts = {f"{k}_chars": len(v) for k, v in row.items()}
        return lengths_of_texts | {f"{k}_words": len(v.split()) for k, v in row.items()}

    peer, _ = timed(lambda: data.map(measure, load_from_cache_file=False))
    table.add_row(
        f"lengths, {count:,} pairs: {ours:.2f} s",
        f"datasets.map: {peer:.1f} s",
        f"{peer / ours:.0f}",
    )


_DATA_JUICER = """
import sys, time
from data_juicer.core.data import NestedDataset
from data_juicer.ops.filter.text_length_filter import TextLengthFilter
from data_juicer.ops.filter.words_num_filter import WordsNumFilter
from datasets import load_dataset
from datasets.utils.logging import disable_progress_bar

disable_progress_bar()
data = NestedDataset(load_dataset("json", data_files=sys.argv[1], split="train"))
started = time.perf_counter()
for filter in (TextLengthFilter(min_len=10), WordsNumFilter(min_num=2)):
    data = filter.run(data)
print(len(data), time.perf_counter() - started)
"""


def filters_of_texts(count: int, python: str | None, table: Table) -> None:
    """Characters and words of each text, and short ones left out: here, and by data-juicer."""
    frame = _answers(count)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "texts.jsonl")
        texts = pl.concat([frame["chosen"], frame["rejected"]]).list.first().struct.field("content")
        texts.alias("text").to_frame().write_ndjson(path)
        ours, scores = timed(lambda: Lengths().score(frame, Context()))
        line = f"lengths of {2 * count:,} texts: {ours:.2f} s"
        if python is None:
            table.add_row(line, "data-juicer: not given", "")
            return
        prompts = [python, "-c", _DATA_JUICER, str(path)]
        answers = subprocess.run(prompts, capture_output=True, text=True, check=True).stdout
    kept_rows, seconds = answers.split()[-2:]
    assert int(kept_rows) == 2 * len(scores)
    peer = f"data-juicer, two filters: {float(seconds):.1f} s"
    table.add_row(line, peer, f"{float(seconds) / ours:.0f}")


def near_duplicates(count: int, table: Table) -> None:
    """Near-duplicate prompts: MinHash here, semhash's embeddings there."""
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder, "d.parquet"), count)
        frame = read_pairs(str(Path(folder, "d.parquet"))).frame
    ours, _ = timed(lambda: near_duplicate_of(frame, ("prompt",), 0.8, SilentProgress()))
    line = f"near duplicates of {count:,} prompts: {ours:.1f} s"
    if importlib.util.find_spec("semhash") is None:
        table.add_row(line, "semhash: not installed", "")
        return
    from semhash import SemHash

    texts = frame.select(t=messages_text("prompt"))["t"].to_list()
    static = StaticEmbedder()

    class Encoder:
        """Static vectors in the place of semhash's own, which come from the hub alone."""

        def encode(self, inputs: list[str], **settings: Any) -> np.ndarray:
            return static.encode(list(inputs))

    def theirs() -> Any:
        return SemHash.from_records(records=texts, model=Encoder()).self_deduplicate()

    peer, _ = timed(theirs)
    table.add_row(line, f"semhash: {peer:.1f} s", f"{peer / ours:.1f}")


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--prompts", type=int, default=50_000)
    parser.add_argument("--data-juicer", help="interpreter that has it")
    arguments = parser.parse_args()
    table = Table("curate", "instead", "times as fast")
    label_issues(arguments.pairs, table)
    lengths(arguments.pairs, table)
    filters_of_texts(arguments.pairs, arguments.data_juicer, table)
    near_duplicates(arguments.prompts, table)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
