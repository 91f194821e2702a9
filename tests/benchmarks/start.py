"""CPU seconds of small commands beside the bare imports: `python -m tests.benchmarks.start`.

Medians of seven processes each; the first ones compile the modules where nobody has.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

TIMES = 7
_BARE = ["-c", "import polars, pydantic, rich"]
_COMMANDS = {
    "curate --help": ["-m", "curate", "--help"],
    "curate list": ["-m", "curate", "list"],
    "a run of 10 pairs with its report": ["-m", "curate", "run", "p.yaml", "--overwrite"],
}


def cpu_seconds(words: list[str], folder: Path) -> float:
    """Median CPU seconds of a process of this interpreter."""
    # What a user has: modules are compiled once.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    durations = []
    for _ in range(TIMES):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, *words], cwd=folder, env=environment, check=True, capture_output=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        durations.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(durations)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        rows = [{"prompt": f"q {i}", "chosen": "yes", "rejected": f"no {i}"} for i in range(10)]
        (folder / "ten.jsonl").write_text("\n".join(map(json.dumps, rows)))
        (folder / "p.yaml").write_text("input: {path: ten.jsonl}\nscorers: [{type: lengths}]\n")
        bare = cpu_seconds(_BARE, folder)
        print(f"import polars, pydantic, rich: {bare:.2f} s")
        for name, words in _COMMANDS.items():
            seconds = cpu_seconds(words, folder)
            print(f"{name}: {seconds:.2f} s, {seconds / bare:.1f} times")


if __name__ == "__main__":
    main()
