"""Peak memory and time of each verb on many pairs: `python -m tests.benchmarks.verbs`.

[--rows 1000000] [--verbs audit bench ...]. Each verb is a process of its own; "own" is its
anonymous memory, without pages of files that the system may drop at any time.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.scale import make

_PIPELINE = """input: {{path: {data}}}
embedder: {{name: static}}
store: {store}
scorers: [{{type: lengths}}, {{type: reward_margin}}]
filters: [{{type: quantile, column: reward_margin.margin, keep: 0.9}}]
"""


def commands(folder: Path) -> dict[str, list[str]]:
    """The arguments of each verb."""
    data, run = str(folder / "data.parquet"), str(folder / "run")
    static = ["--embedder", "static"]
    return {
        "inspect": ["inspect", data],
        "audit": ["audit", data, "-o", str(folder / "audit.json")],
        "bench": ["bench", data, *static, "--seeds", "1", "-o", str(folder / "bench.html")],
        "run": ["run", str(folder / "pipeline.yaml"), "--output", run],
        "explain": ["explain", data, *static],
        "worth": ["worth", data, *static],
        "derive": ["derive", data, "--output", str(folder / "derived"), "--overwrite"],
        "report": ["report", run],
        "export": ["export", run, "--to", "axolotl", "--output", str(folder / "out")],
    }


def measured(arguments: list[str], log: Path) -> tuple[float, float, int]:
    """Seconds, peak own memory in GiB, and the exit code."""
    started, peak = time.perf_counter(), 0.0
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "curate", *arguments], stdout=out, stderr=subprocess.STDOUT
        )
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            try:
                lines = status.read_text(encoding="utf-8").splitlines()
            except OSError:
                break
            sizes = [int(line.split()[1]) for line in lines if line.startswith("RssAnon:")]
            peak = max([peak, *(size / 2**20 for size in sizes)])
            time.sleep(0.05)
    return time.perf_counter() - started, peak, process.wait()


def main() -> None:
    """Print one line a verb."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--verbs", nargs="*")
    parser.add_argument("--folder", type=Path, help="Keep data and results here.")
    parsed = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = parsed.folder or Path(temporary)
        folder.mkdir(exist_ok=True)
        if not (folder / "data.parquet").exists():
            make(folder / "data.parquet", parsed.rows)
        text = _PIPELINE.format(data=folder / "data.parquet", store=folder / "store")
        (folder / "pipeline.yaml").write_text(text, encoding="utf-8")
        print("| verb | seconds | own GiB | exit code |\n|---|---|---|---|")
        for verb, arguments in commands(folder).items():
            if parsed.verbs and verb not in parsed.verbs:
                continue
            seconds, peak, code = measured(arguments, folder / f"{verb}.log")
            print(f"| {verb} | {seconds:.0f} | {peak:.2f} | {code} |", flush=True)


if __name__ == "__main__":
    main()
