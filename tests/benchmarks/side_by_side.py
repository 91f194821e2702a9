"""The same work by curate and by what people use instead: CPU seconds and memory of processes.

python -m tests.benchmarks.side_by_side [--pairs 200000] [--texts 50000] [--vectors 100000]
                                        [--only filters near_duplicates ...] [--datatrove PYTHON]

Each side is a process of its own, from the start of Python to the written files; its data are made
here. Peers that are not installed are left out. datatrove wants other versions of our libraries:
PYTHON is the interpreter of an environment of its own. Times are CPU seconds (user and system), and
the last line says how fast products of matrices are on the machine.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_LONGEST = 2000
"""Characters of a chosen answer that the condition allows."""
_SIDE = Callable[[Path, Path], int]


def make_pairs(path: Path, rows: int) -> None:
    """Write JSON lines: 2 % repeat an earlier row, and of 1 % both answers are the same."""
    from tests.benchmarks.scale import sentences  # not at the top: a loop needs none of its imports

    rng, existing, earlier = random.Random(0), sentences(), list[str]()

    def text(least: int, most: int) -> str:
        return " ".join(rng.choices(existing, k=rng.randint(least, most)))

    with path.open("w", encoding="utf-8") as file:
        for _ in range(rows):
            if earlier and rng.random() < 0.02:
                file.write(rng.choice(earlier))
                continue
            row = {"prompt": text(1, 3), "chosen": text(2, 9), "rejected": text(2, 9)}
            if rng.random() < 0.01:
                row["rejected"] = row["chosen"]
            line = json.dumps(row, ensure_ascii=False) + "\n"
            if len(earlier) < 5000:
                earlier.append(line)
            file.write(line)


def filters_by_curate(source: Path, target: Path) -> int:
    """Lengths, identical answers, exact duplicates, a condition and TRL's columns."""
    from curate import Pipeline

    config = {
        "input": {"path": str(source)},
        "scorers": [{"type": "lengths"}],
        "filters": [
            {"type": "identical_answers"},
            {"type": "exact_duplicates"},
            {"type": "expression", "keep": f"`lengths.chosen` < {_LONGEST}"},
        ],
        "output": {"format": "trl", "report": False},
        "store": None,
    }
    return Pipeline(config).run(output=target).rows_kept


def filters_by_loop(source: Path, target: Path) -> int:
    """The same, but for ids, scores, reasons and a second table of the pairs."""
    keys, count = set[int](), 0
    with source.open(encoding="utf-8") as lines, target.open("w", encoding="utf-8") as out:
        for line in lines:
            row = json.loads(line)
            key = hash((row["prompt"], row["chosen"], row["rejected"]))
            if row["chosen"] == row["rejected"] or key in keys or len(row["chosen"]) >= _LONGEST:
                continue
            keys.add(key)
            count += 1
            out.write(json.dumps(_trl_row(row), ensure_ascii=False) + "\n")
    return count


def _trl_row(row: dict[str, str]) -> dict[str, list[dict[str, str]]]:
    roles = {"prompt": "user", "chosen": "assistant", "rejected": "assistant"}
    return {name: [{"role": role, "content": row[name]}] for name, role in roles.items()}


def filters_by_datasets(source: Path, target: Path) -> int:
    """The same by functions over `datasets`."""
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    keys = set[int]()

    def keep(row: dict[str, str]) -> bool:
        key = hash((row["prompt"], row["chosen"], row["rejected"]))
        is_new = key not in keys
        keys.add(key)
        return is_new and row["chosen"] != row["rejected"] and len(row["chosen"]) < _LONGEST

    cache = str(target.with_suffix(".cache"))
    rows = load_dataset("json", data_files=str(source), split="train", cache_dir=cache)
    converted = rows.filter(keep).map(_trl_row)
    converted.to_parquet(str(target))
    return len(converted)


_DATATROVE = """
import sys
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.filters import LambdaFilter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import ParquetWriter

source, target, longest = sys.argv[1], sys.argv[2], int(sys.argv[3])
seen, count = set(), 0

def keep(document):
    global count
    row = document.metadata
    key = hash((document.text, row["chosen"], row["rejected"]))
    good = key not in seen and row["chosen"] != row["rejected"] and len(row["chosen"]) < longest
    seen.add(key)
    count += good
    return good

folder, _, name = source.rpartition("/")
reader = JsonlReader(folder, glob_pattern=name, text_key="prompt")
steps = [reader, LambdaFilter(keep), ParquetWriter(target)]
LocalPipelineExecutor(steps, tasks=1, logging_dir=target + ".logs").run()
print(count)
"""


def near_duplicates_by_curate(source: Path, target: Path) -> int:
    """Near-duplicate prompts by MinHash; prompts that repeat an earlier one."""
    from curate import read_pairs
    from curate.models.text.near_duplicates import near_duplicate_of
    from curate.steps.context import SilentProgress

    frame = read_pairs(str(source)).frame
    return len(near_duplicate_of(frame, ("prompt",), 0.8, SilentProgress()).drop_nulls())


def near_duplicates_by_datasketch(source: Path, target: Path) -> int:
    """The same with a MinHash object for each prompt."""
    from datasketch import MinHash, MinHashLSH

    index, count = MinHashLSH(threshold=0.8, num_perm=64), 0
    with source.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            words = json.loads(line)["prompt"].split()
            sketch = MinHash(num_perm=64)
            grams = {" ".join(words[i : i + 3]) for i in range(max(len(words) - 2, 1))}
            sketch.update_batch([gram.encode() for gram in grams])
            count += bool(index.query(sketch))
            index.insert(str(number), sketch)
    return count


def _random_vectors(rows: int) -> Any:
    import numpy as np

    vectors = np.random.default_rng(0).standard_normal((rows, 256), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def neighbours_by_curate(source: Path, target: Path) -> int:
    """The 10 nearest neighbours of each of as many vectors as there are rows."""
    from curate.models.embed.neighbours import nearest_neighbours

    rows = sum(1 for _ in source.open("rb"))
    return int(nearest_neighbours(_random_vectors(rows), 10).row_numbers.size)


def neighbours_by_faiss(source: Path, target: Path) -> int:
    """The same by an exact index of faiss."""
    import faiss

    vectors = _random_vectors(sum(1 for _ in source.open("rb")))
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return int(index.search(vectors, 11)[1][:, 1:].size)


def labels_by_curate(source: Path, target: Path) -> int:
    """`noise_score` on synthetic vectors."""
    from curate.scorers.noise_score import NoiseScore
    from curate.steps.context import Context
    from curate.store.scratch import ScratchSpace
    from tests.benchmarks.many_vectors import make_vectors

    pairs, features = make_vectors(sum(1 for _ in source.open("rb")), ScratchSpace())
    return len(NoiseScore(style=False).score(pairs, Context().for_pairs(pairs, features)))


def labels_by_cleanlab(source: Path, target: Path) -> int:
    """cleanlab's label quality on scikit-learn's cross-validation of five folds."""
    import numpy as np
    from cleanlab.rank import get_label_quality_scores
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    from curate.store.scratch import ScratchSpace
    from tests.benchmarks.many_vectors import make_vectors

    _, features = make_vectors(sum(1 for _ in source.open("rb")), ScratchSpace())
    side = np.random.default_rng(1).random(len(features.index["chosen"])) < 0.5
    difference = features.of("chosen") - features.of("rejected")
    table, labels = np.where(side[:, None], difference, -difference), side.astype(int)
    model = LogisticRegression(max_iter=200)
    p = cross_val_predict(model, table, labels, cv=5, method="predict_proba", n_jobs=1)
    return len(get_label_quality_scores(labels, p))


_TASKS: dict[str, dict[str, tuple[str | None, _SIDE]]] = {
    "filters": {
        "curate": (None, filters_by_curate),
        "loop": (None, filters_by_loop),
        "datasets": ("datasets", filters_by_datasets),
    },
    "near_duplicates": {
        "curate": (None, near_duplicates_by_curate),
        "datasketch": ("datasketch", near_duplicates_by_datasketch),
    },
    "neighbours": {"curate": (None, neighbours_by_curate), "faiss": (None, neighbours_by_faiss)},
    "labels": {
        "curate": (None, labels_by_curate),
        "cleanlab": ("cleanlab", labels_by_cleanlab),
    },
}
"""Sides of each task, with the package that must be installed; the first is the one compared."""


def measured(command: list[str]) -> tuple[float, float, str]:
    """Return CPU seconds and the largest memory in GiB of a process, and its last line."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    lines = process.stdout.read().decode().split("\n")
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{' '.join(command)} ended with status {status}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20, lines[-2]


def product_rate() -> float:
    """Return how many billion operations a CPU second a product of float32 matrices does."""
    import numpy as np

    first, times = np.ones((2048, 2048), np.float32), 5
    first @ first
    started = time.process_time()
    for _ in range(times):
        first @ first
    return times * 2 * 2048**3 / (time.process_time() - started) / 1e9


def compare(task: str, source: Path, rows: int, datatrove: str | None) -> None:
    """Print a row of the table for each side of a task."""
    first: float | None = None
    commands = {
        side: [sys.executable, "-m", "tests.benchmarks.side_by_side", "--side", task, side]
        for side, (package, _) in _TASKS[task].items()
        if package is None or importlib.util.find_spec(package)
    }
    if task == "filters" and datatrove:
        commands["datatrove"] = [datatrove, "-c", _DATATROVE]
    for side, command in commands.items():
        target = source.with_name(f"{task}-{side}")
        last = [str(_LONGEST)] if side == "datatrove" else []
        seconds, memory, result = measured([*command, str(source), str(target), *last])
        first = seconds if first is None else first
        print(
            f"| {task}, {rows:,} | {side} | {seconds:.1f} | {memory:.2f} | {seconds / first:.2f} "
            f"| {result} |",
            flush=True,
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=200_000)
    parser.add_argument("--texts", type=int, default=50_000)
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--only", nargs="+", choices=_TASKS, default=list(_TASKS))
    parser.add_argument("--datatrove", help="interpreter that has it")
    parser.add_argument("--side", nargs=4, help="Used by the script itself.")
    parser.add_argument("--make", nargs=2, help="Used by the script itself.")
    options = parser.parse_args()
    if options.make:
        make_pairs(Path(options.make[1]), int(options.make[0]))
        return
    if options.side:
        task, side, source, target = options.side
        print(_TASKS[task][side][1](Path(source), Path(target)))
        return
    sizes = dict(zip(_TASKS, (options.pairs, *[options.texts] * 2, options.vectors), strict=True))
    print("| task, rows | side | CPU s | GiB | of curate's | result |\n|---|---|---|---|---|---|")
    for task in options.only:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "pairs.jsonl")
            # Elsewhere: a process counts as its own the largest memory of the one that starts it.
            making = ["-m", "tests.benchmarks.side_by_side", "--make", str(sizes[task])]
            subprocess.run([sys.executable, *making, str(source)], check=True)
            compare(task, source, sizes[task], options.datatrove)
    print(f"\nproducts: {product_rate():.0f} billion operations a CPU second")


if __name__ == "__main__":
    main()
