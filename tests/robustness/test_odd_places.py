"""Odd places: names that are no UTF-8, a working folder that is gone, clones of the hub."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate import CurateError, Pipeline, read_pairs
from curate.write.shards import write_json
from tests.robustness.bad_inputs import lines, rows

CONFIG = {"scorers": [{"type": "lengths"}], "filters": [], "store": None}
ODD = b"da\xffta.jsonl"


def _write(folder: Path, name: bytes = ODD) -> str:
    path = folder / os.fsdecode(name)
    path.write_bytes(lines(rows(8)))
    return str(path)


def test_a_name_that_is_no_utf8_is_read_and_refused_by_a_pipeline_at_once(tmp_path: Path) -> None:
    path = _write(tmp_path)
    assert len(read_pairs(path)) == 8
    with pytest.raises(CurateError, match="Unicode") as caught:
        Pipeline({"input": {"path": path}, **CONFIG})
    assert "input.path" in str(caught.value.where)
    with pytest.raises(CurateError, match="Unicode"):
        Pipeline({"input": [{"path": path}], **CONFIG})


def test_its_folder_is_run(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    _write(tmp_path / "data")
    result = Pipeline({"input": {"path": str(tmp_path / "data")}, **CONFIG}).run(
        output=tmp_path / "out"
    )
    assert len(result.kept) == 8


@pytest.mark.parametrize("name", [b"ou\xfft", b"a\xff/out"])
def test_an_output_that_is_no_utf8_is_refused_before_reading(name: bytes, tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_bytes(lines(rows(3)))
    pipeline = Pipeline({"input": {"path": str(tmp_path / "data.jsonl")}, **CONFIG})
    with pytest.raises(CurateError, match="cannot write to the output"):
        pipeline.run(output=tmp_path / os.fsdecode(name))
    assert [p.name for p in tmp_path.iterdir()] == ["data.jsonl"]


def test_json_of_such_a_name_is_written(tmp_path: Path) -> None:
    write_json({"data": os.fsdecode(ODD), "x": float("nan")}, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text() == '{\n  "data": "da\ufffdta.jsonl",\n  "x": null\n}\n'


@pytest.mark.parametrize(
    "words", [["list"], ["run"], ["inspect", "data.jsonl"], ["init", "x.yaml"]]
)
def test_a_working_folder_that_was_deleted(words: list[str], tmp_path: Path) -> None:
    code = (
        "import os, sys; os.rmdir(os.getcwd()); sys.argv = ['curate', *sys.argv[1:]]; "
        "from curate.cli.app import main; main()"
    )
    deleted = tmp_path / "gone"
    deleted.mkdir()
    ended = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=deleted, capture_output=True, text=True,
        check=False, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert ended.returncode == 2
    assert "the working folder was deleted" in ended.stderr
    assert "Traceback" not in ended.stderr


# ---- clones of the hub ----------------------------------------------------------------------


def _clone(folder: Path, card: str, files: dict[str, tuple[int, int]]) -> Path:
    root = folder / "set"
    for name, (start, end) in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows(end - start, start)), root / name)
    (root / "README.md").write_text(card)
    return root


BOTH = {"data/train-00000-of-00001.parquet": (0, 10), "data/test-00000-of-00001.parquet": (10, 13)}
CARD = """---
license: mit
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
  - split: test
    path: data/test-*
---
# A set
"""


@pytest.mark.parametrize("card", [CARD, "# A set\n", "---\nlicense: mit\n---\n"])
def test_a_clone_is_read_as_its_card_says(card: str, tmp_path: Path) -> None:
    root = _clone(tmp_path, card, BOTH)
    pairs = read_pairs(str(root))
    assert len(pairs) == 10
    assert "not read: test" in " ".join(pairs.notes)
    assert len(read_pairs(str(root), split="test")) == 3
    with pytest.raises(CurateError, match="no such split") as caught:
        read_pairs(str(root), split="tset")
    assert "test" in str(caught.value.fix)


SEVERAL = """---
configs:
- config_name: a
  data_files: "a/*.parquet"
- config_name: b
  data_dir: b
{more}---
"""
TWO = {"a/x.parquet": (0, 4), "b/y.parquet": (4, 9)}


def test_configurations_of_a_card(tmp_path: Path) -> None:
    root = _clone(tmp_path, SEVERAL.format(more=""), TWO)
    with pytest.raises(CurateError, match="several configurations"):
        read_pairs(str(root))
    assert len(read_pairs(str(root), config="a")) == 4
    assert len(read_pairs(str(root), config="b")) == 5
    with pytest.raises(CurateError, match="no such configuration"):
        read_pairs(str(root), config="c")
    (root / "README.md").write_text(SEVERAL.format(more="  default: true\n"))
    assert len(read_pairs(str(root))) == 5


@pytest.mark.parametrize(
    "pattern", ["../secret/*", "/etc/*", "data/../../secret/*", "file:///etc/*", "https://x/y"]
)
def test_a_card_reaches_no_file_outside_its_folder(pattern: str, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a.jsonl").write_bytes(lines(rows(3)))
    card = f"---\nconfigs:\n- config_name: a\n  data_files: '{pattern}'\n---\n"
    root = _clone(tmp_path, card, BOTH)
    with pytest.raises(CurateError, match="outside its folder"):
        read_pairs(str(root))


@pytest.mark.parametrize(
    "header",
    [
        "configs: 3",
        "configs: [1, 2]",
        "configs: {a: b}",
        "[" * 3000,
        "a: &a [*a]",
        "configs: !!python/object/apply:os.system ['true']",
        "a: " + "9" * 5000,
        "\x00",
    ],
)
def test_a_card_that_says_nothing_of_files(header: str, tmp_path: Path) -> None:
    root = _clone(tmp_path, f"---\n{header}\n---\n", BOTH)
    assert len(read_pairs(str(root))) == 10


def test_a_run_is_no_clone(tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_bytes(lines(rows(8)))
    pipeline = Pipeline({"input": {"path": str(tmp_path / "data.jsonl")}, **CONFIG})
    pipeline.run(output=tmp_path / "out")
    assert (tmp_path / "out" / "README.md").is_file()
    with pytest.raises(CurateError, match="sub-folders"):
        read_pairs(str(tmp_path / "out"))


@pytest.mark.parametrize("files", ["{split: 3}", "[{path: data/x-*}]", "nothing*", "[[a], {b: 1}]"])
def test_a_card_of_files_that_are_not_there(files: str, tmp_path: Path) -> None:
    card = f"---\nconfigs:\n- config_name: a\n  data_files: {files}\n---\n"
    with pytest.raises(CurateError, match="not there"):
        read_pairs(str(_clone(tmp_path, card, BOTH)))
