"""Nothing half-written looks finished, and nothing finished is lost."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from curate import CurateError
from curate.write.contents import FILES, GENERATOR_TAG
from curate.write.manifest import RowCounts
from curate.write.run_folder import atomic_folder, check_free
from tests.helpers import trl_rows, write_jsonl


def finish(folder: Path, text: str, overwrite: bool = False, **files: str) -> None:
    with atomic_folder(folder, overwrite) as stage:
        for name, content in files.items():
            (stage / name).write_text(content)
        (stage / "manifest.json").write_text(json.dumps({"text": text}))


def text_of(folder: Path) -> str:
    return str(json.loads((folder / "manifest.json").read_text())["text"])


def test_a_finished_run_is_refused_and_replaced_only_on_demand(tmp_path: Path) -> None:
    out = tmp_path / "out"
    finish(out, "one")
    with pytest.raises(CurateError, match="finished run") as caught:
        finish(out, "two")
    assert "overwrite=True" in str(caught.value)
    assert text_of(out) == "one"
    finish(out, "two", overwrite=True)
    assert text_of(out) == "two"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_foreign_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(CurateError, match="files that curate did not write") as caught:
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
        with atomic_folder(out, overwrite=True) as stage:
            (stage / "half").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert text_of(out) == "one"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_run_killed_while_it_took_the_old_ones_place_is_put_back(tmp_path: Path) -> None:
    from curate.write.folder_swap import _HOST

    dead = subprocess.Popen(["true"])
    dead.wait()
    old = tmp_path / f".out.old-{_HOST}-{dead.pid}"
    finish(old, "one")
    with pytest.raises(CurateError, match="finished run"):
        finish(tmp_path / "out", "two")
    assert text_of(tmp_path / "out") == "one"


def test_only_our_own_files_are_removed_and_verdicts_stay(tmp_path: Path) -> None:
    out = tmp_path / "out"
    finish(out, "one", ours="1", stays="1")
    (out / "verdicts").mkdir()
    (out / "verdicts" / "me.jsonl").write_text("said")
    (out / "notes.txt").write_text("mine")
    (out / "report.html").write_text(GENERATOR_TAG)
    finish(out, "two", overwrite=True, stays="2")
    assert text_of(out) == "two"
    assert (out / "verdicts" / "me.jsonl").read_text() == "said"
    assert (out / "notes.txt").read_text() == "mine"
    assert (out / "stays").read_text() == "2"
    assert not (out / "ours").exists()
    assert not (out / "report.html").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_what_people_changed_or_put_among_the_shards_goes_beside(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with atomic_folder(out, overwrite=False) as stage:
        (stage / "kept").mkdir()
        (stage / "kept" / "a.jsonl").write_text("written")
        (stage / "kept" / "b.jsonl").write_text("written")
        (stage / "manifest.json").write_text('{"text": "one"}')
    (out / "kept" / "a.jsonl").write_text("corrected by hand")
    (out / "kept" / "mine.jsonl").write_text("mine")
    (out / "report.html").write_text("a page of my own")
    finish(out, "two", overwrite=True, **{"report.html": "new"})
    beside = out / "from-the-run-before"
    texts = {p.relative_to(beside).as_posix(): p.read_text() for p in beside.rglob("*.*")}
    assert texts == {
        "kept/a.jsonl": "corrected by hand",
        "kept/mine.jsonl": "mine",
        "report.html": "a page of my own",
    }
    assert not (out / "kept").exists()
    # Once more: what lies beside stays, under names of its own.
    (out / "report.html").write_text("another page")
    finish(out, "three", overwrite=True, **{"report.html": "newest"})
    assert {p.read_text() for p in beside.rglob("*.*")} == {*texts.values(), "another page"}


@pytest.mark.parametrize("damage", ["list", "checksum", "no list", "listed by hand"])
def test_a_list_that_is_not_as_written_costs_no_file(damage: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    finish(out, "one", ours="1")
    (out / "precious.txt").write_text("x")
    mark = out / "manifest.json"
    data = json.loads(mark.read_text())
    if damage == "list":
        data[FILES]["ours"]["bytes"] = 2
    elif damage == "checksum":
        data["mark_xxh3_128"] = "0" * 32
    elif damage == "no list":
        data = {"made_by": "curate", "manifest_version": 1}
    else:
        data[FILES]["precious.txt"] = data[FILES]["ours"]
    mark.write_text(json.dumps(data))
    finish(out, "two", overwrite=True)
    assert text_of(out) == "two"
    files = [p.read_text() for p in out.rglob("*") if p.is_file()]
    assert "x" in files
    assert "1" in files


def test_a_run_that_finished_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for overwrite in (False, True):
        # The second round overwrites the run of the first: that was asked for, the third was not.
        stack = ExitStack()
        stage = stack.enter_context(atomic_folder(out, overwrite))
        (stage / "manifest.json").write_text('{"text": "slow"}')
        finish(out, f"fast {overwrite}", overwrite)
        with pytest.raises(CurateError, match="finished run") as caught:
            stack.close()
        assert text_of(out) == f"fast {overwrite}"
        saved = tmp_path / ("out-3" if overwrite else "out-2")
        assert str(saved) in str(caught.value)
        assert text_of(saved) == "slow"


def test_files_that_appeared_meanwhile_are_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    stack = ExitStack()
    stage = stack.enter_context(atomic_folder(out, overwrite=True))
    (stage / "manifest.json").write_text('{"text": "slow"}')
    out.mkdir()
    (out / "thesis.tex").write_text("x")
    with pytest.raises(CurateError, match="files that curate did not write") as caught:
        stack.close()
    assert (out / "thesis.tex").read_text() == "x"
    assert "out-2" in str(caught.value)
    assert text_of(tmp_path / "out-2") == "slow"


def test_processes_that_finish_together_lose_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, time, json, pathlib\n"
        "from curate.write.run_folder import atomic_folder\n"
        "with atomic_folder(pathlib.Path(sys.argv[1]), False) as stage:\n"
        "    (stage / 'manifest.json').write_text(json.dumps({'text': sys.argv[2]}))\n"
        "    while time.time() < float(sys.argv[3]): pass\n"
    )
    together = str(time.time() + 15)
    command = [sys.executable, "-c", code, str(tmp_path / "out")]
    runs = [subprocess.Popen([*command, str(n), together], stderr=-1) for n in range(3)]
    assert sorted(run.wait() for run in runs) == [0, 1, 1]
    texts = {text_of(folder) for folder in tmp_path.iterdir()}
    assert texts == {"0", "1", "2"}


def test_names_that_only_look_like_ours_are_left_alone(tmp_path: Path) -> None:
    from curate.write.folder_swap import _HOST

    names = [f".out.old-{_HOST}-12.bak", f".out.partial-{_HOST}-", f".out.work-{_HOST}-{9**20}"]
    for name in names:
        (tmp_path / name).mkdir()
    (tmp_path / f".out.old-{_HOST}-999999").write_text("a file")
    finish(tmp_path / "out", "one")
    assert all((tmp_path / name).is_dir() for name in names)


def test_a_foreign_manifest_is_no_run(tmp_path: Path) -> None:
    web = tmp_path / "web"
    web.mkdir()
    (web / "manifest.json").write_text('{"name": "an app", "icons": []}')
    (web / "precious.txt").write_text("x")
    with pytest.raises(CurateError, match="files that curate did not write"):
        check_free(web, overwrite=True)
    with pytest.raises(CurateError, match="files that curate did not write"):
        finish(web, "two", overwrite=True)
    assert (web / "precious.txt").read_text() == "x"


@pytest.mark.parametrize("inside", ["a.jsonl", "deep/a.jsonl", "."])
def test_an_input_inside_the_output_is_refused(inside: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    finish(out, "one")
    (out / "deep").mkdir()
    for name in ("a.jsonl", "deep/a.jsonl"):
        (out / name).write_text("x")
    with pytest.raises(CurateError, match="inside the output"):
        check_free(out, overwrite=True, reads=str(out / inside))
    check_free(out, overwrite=True, reads=str(tmp_path))


def test_an_output_that_is_a_link_is_written_into_its_target(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    finish(tmp_path / "out", "one")
    finish(tmp_path / "out", "two", overwrite=True)
    assert (tmp_path / "out").is_symlink()
    assert text_of(tmp_path / "disk") == "two"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["disk", "out"]
    (tmp_path / "later").symlink_to(tmp_path / "not yet")
    finish(tmp_path / "later", "one")
    assert text_of(tmp_path / "not yet") == "one"


@contextmanager
def mounted(folder: Path, size: str = "4m") -> Iterator[Path]:
    """A small file system of its own."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)],
        check=False,
        capture_output=True,
    )
    if done.returncode:
        pytest.skip("mounting needs rights that are not here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def test_an_output_that_is_a_mount_point_is_written_in_place(tmp_path: Path) -> None:
    with mounted(tmp_path / "out") as out:
        finish(out, "one", ours="1")
        (out / "notes.txt").write_text("mine")
        finish(out, "two", overwrite=True)
        assert text_of(out) == "two"
        assert sorted(p.name for p in out.iterdir()) == ["manifest.json", "notes.txt"]


def test_a_mount_point_that_is_full_keeps_the_old_run(tmp_path: Path) -> None:
    with mounted(tmp_path / "out", "1m") as out:
        finish(out, "one")
        with pytest.raises(CurateError, match="disk is full"):
            finish(out, "two", overwrite=True, big="x" * (2 << 20))
        assert text_of(out) == "one"
        assert [p.name for p in out.iterdir()] == ["manifest.json"]


def test_a_disk_that_is_full_beside_the_output_is_told(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "1m") as disk:
        with pytest.raises(CurateError, match="disk is full"):
            finish(disk / "out", "one", big="x" * (2 << 20))
        assert list(disk.iterdir()) == []


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "", " ", "s3://b/x", "hf://a/b", "~nobody9/x"])
def test_outputs_that_are_no_folder_are_refused_at_once(name: str) -> None:
    with pytest.raises(CurateError, match="output"):
        check_free(Path(name), overwrite=False)


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    finish(Path("~/out"), "one")
    assert text_of(tmp_path / "out") == "one"


def test_rows_that_do_not_add_up_are_a_bug() -> None:
    with pytest.raises(RuntimeError, match="10 pairs came in"):
        RowCounts(10, 5, 4).check()


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
    leftovers = [p.name for p in folder.iterdir() if p.name not in ("a.jsonl", "pipeline.yaml")]
    assert leftovers
    assert {name.rpartition("-")[0].split("-")[0] for name in leftovers} == {
        ".out.partial",
        ".out.work",
    }
    time.sleep(0.1)
    done = subprocess.run([sys.executable, "-c", RUN], cwd=folder, check=False, capture_output=True)
    assert done.returncode == 0
    assert sorted(p.name for p in folder.iterdir()) == ["a.jsonl", "out", "pipeline.yaml"]


@pytest.mark.parametrize("scheme", ["", "file://", "FILE://", "local://"])
def test_an_input_in_the_output_is_refused_however_it_is_named(scheme: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "in.jsonl").write_text("{}")
    for reads in (folder, folder / "in.jsonl"):
        with pytest.raises(CurateError, match="input is inside"):
            check_free(folder, True, reads=f"{scheme}{reads}")
    (folder / "in.jsonl").unlink()
    check_free(folder, True, reads=f"s3://{folder}")
