"""How many files a reader opens to follow one run: python tests/benchmarks/walk.py [--files].

Ten rows of JSON lines go through `lengths` and `ties`, once kept in memory and once written to a
folder. Functions of curate are counted when they are first called, in all threads. A climb is a
first call that the function counted just before did not make, and whose caller lies in another
file: a reader has to go back up to it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType

import orjson

import curate
from curate.pipeline.run import Pipeline

_HOME = Path(curate.__file__).resolve().parents[1]
_PACKAGES = tuple(str(_HOME / name) + "/" for name in ("curate", "scorers", "filters"))
_ROWS = 10


@dataclass
class Walk:
    """The functions of curate that were called, in the order of their first call.

    Attributes:
        functions: the functions.
        climbs: first calls for which a reader goes back up to a function in another file.
    """

    functions: list[CodeType] = field(default_factory=list)
    climbs: int = 0

    @property
    def files(self) -> Counter[str]:
        """Return the number of functions of each file."""
        return Counter(str(Path(c.co_filename).relative_to(_HOME)) for c in self.functions)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record the functions that are called until the context ends."""
        visited: set[CodeType] = set()
        last = threading.local()

        def profile(frame: FrameType, event: str, _: object) -> None:
            code = frame.f_code
            if event != "call" or code in visited or not _is_function_of_curate(code):
                return
            caller = frame.f_back
            while caller is not None and not _is_function_of_curate(caller.f_code):
                caller = caller.f_back
            before = getattr(last, "code", code)
            if caller is not None and caller.f_code is not before:
                self.climbs += caller.f_code.co_filename != before.co_filename
            last.code = code
            visited.add(code)
            self.functions.append(code)

        threading.setprofile(profile)
        sys.setprofile(profile)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]


def _is_function_of_curate(code: CodeType) -> bool:
    # Bodies of modules and classes run at import; comprehensions and lambdas belong to a function.
    return code.co_filename.startswith(_PACKAGES) and "<" not in code.co_name


def walk_run(folder: Path, output: Path | None) -> Walk:
    """Return the walk of one run of ten rows; they lie in `folder`."""
    data = folder / "rows.jsonl"
    rows = [
        {"prompt": f"Question {n}", "chosen": f"answer {n}", "rejected": "none"}
        for n in range(_ROWS)
    ]
    data.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    pipeline = Pipeline(
        {
            # Detection asks every format, which is no part of the way of the pairs.
            "input": {"path": str(data), "format": "trl"},
            "scorers": [{"type": "lengths"}],
            "filters": [{"type": "ties"}],
            "output": {"report": False},
            "store": None,
        }
    )
    # Once before: what is found once in a process, such as the formats, is no part of a run.
    pipeline.run(output=output)
    walk = Walk()
    with walk.recording():
        pipeline.run(output=output, overwrite=True)
    return walk


def main() -> None:
    """Print the counts, and with --files the functions of each file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", action="store_true", help="print the functions of each file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for title, output in (("in memory", None), ("written to a folder", folder / "run")):
            walk = walk_run(folder, output)
            if options.files:
                for name, count in sorted(walk.files.items()):
                    print(f"{count:4}  {name}")
            functions, files = len(walk.functions), len(walk.files)
            print(f"{title}: {functions} functions, {files} files, {walk.climbs} climbs")


if __name__ == "__main__":
    main()
