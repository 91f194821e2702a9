"""Nothing half-written looks finished, and nothing finished is lost."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from curate import CurateError
from curate.write.manifest import check_rows
from curate.write.run_folder import check_free, staged
from tests.helpers import trl_rows, write_jsonl


def finish(folder: Path, text: str, overwrite: bool = False) -> None:
    with staged(folder, overwrite) as stage:
        (stage / "manifest.json").write_text(text)


def test_a_finished_run_is_refused_and_replaced_only_on_demand(tmp_path: Path) -> None:
    out = tmp_path / "out"
    finish(out, "one")
    with pytest.raises(CurateError, match="finished run") as caught:
        finish(out, "two")
    assert "--overwrite" in str(caught.value)
    assert (out / "manifest.json").read_text() == "one"
    finish(out, "two", overwrite=True)
    assert (out / "manifest.json").read_text() == "two"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_foreign_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(CurateError, match="no run of curate") as caught:
        check_free(tmp_path, overwrite=True)
    assert "thesis.tex" in str(caught.value)


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(CurateError, match="is a file"):
        check_free(tmp_path / "out", overwrite=True)


def test_an_error_leaves_the_old_run_and_no_trace(tmp_path: Path) -> None:
    out = tmp_path / "out"
    finish(out, "one")

    def fail() -> None:
        with staged(out, overwrite=True) as stage:
            (stage / "half").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert (out / "manifest.json").read_text() == "one"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_run_killed_while_it_took_the_old_ones_place_is_put_back(tmp_path: Path) -> None:
    from curate.write.run_folder import _HOST

    dead = subprocess.Popen(["true"])
    dead.wait()
    old = tmp_path / f".out.old-{_HOST}-{dead.pid}"
    old.mkdir()
    (old / "manifest.json").write_text("one")
    with pytest.raises(CurateError, match="finished run"):
        finish(tmp_path / "out", "two")
    assert (tmp_path / "out" / "manifest.json").read_text() == "one"


def test_rows_that_do_not_add_up_are_a_bug() -> None:
    with pytest.raises(RuntimeError, match="10 pairs came in"):
        check_rows(10, 5, 4)


RUN = """
import sys
from curate.cli.app import main
sys.argv = ["curate", "run", "pipeline.yaml", "--output", "out"]
main()
"""


def pipeline_folder(tmp_path: Path, rows: int) -> Path:
    write_jsonl(tmp_path / "a.jsonl", trl_rows(rows))
    (tmp_path / "pipeline.yaml").write_text("input: {path: a.jsonl}\n")
    return tmp_path


@pytest.mark.slow
def test_a_full_disk_is_said_plainly_and_leaves_no_run(tmp_path: Path) -> None:
    folder = pipeline_folder(tmp_path, 5000)

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = subprocess.run(
        [sys.executable, "-c", RUN],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=small_files,
    )
    assert done.returncode == 2, done.stderr
    assert "the disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(p.name for p in folder.iterdir()) == ["a.jsonl", "pipeline.yaml"]


SLOW_WRITE = """
import sys, time
import curate.pipeline.write_run as writer
real = writer.write_frame
def slow(frame, path):
    real(frame, path)
    print("writing", flush=True)
    time.sleep(60)
writer.write_frame = slow
"""


@pytest.mark.slow
def test_a_killed_run_leaves_no_output_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    folder = pipeline_folder(tmp_path, 10)
    child = subprocess.Popen(
        [sys.executable, "-c", SLOW_WRITE + RUN], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "writing\n"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    left = [p.name for p in folder.iterdir() if p.name not in ("a.jsonl", "pipeline.yaml")]
    assert left
    assert {name.rpartition("-")[0].split("-")[0] for name in left} == {".out.partial", ".out.work"}
    time.sleep(0.1)
    done = subprocess.run([sys.executable, "-c", RUN], cwd=folder, check=False, capture_output=True)
    assert done.returncode == 0
    assert sorted(p.name for p in folder.iterdir()) == ["a.jsonl", "out", "pipeline.yaml"]
