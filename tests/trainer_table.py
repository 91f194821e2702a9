"""What each trainer reads of what we write, by its own loader: docs/trainers/loaders.md.

python -m tests.trainer_table        # writes the page anew
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
from datasets import Dataset, Features, concatenate_datasets, interleave_datasets

from curate import CurateError, read_pairs
from curate.data.found_parts import found_parts
from curate.data.pair_rows import PairRows
from curate.write.drawn_rows import Written
from curate.write.exports import Advice, get_export
from curate.write.exports.parts import check_held, configure, held_by
from curate.write.shards import write_files
from curate.write.weighing import weighing_of
from tests import trainers
from tests.helpers import pairs_of, published, write_jsonl
from tests.models import tiny_tokenizer
from tests.pictures import picture

PAGE = Path(__file__).parents[1] / "docs" / "trainers" / "loaders.md"
LOADERS: dict[str, Callable[[Path, Any], list[trainers.TrainedRow]]] = {
    "trl": trainers.trl_folder,
    "trl, implicit": trainers.trl_folder,
    "trl_text": trainers.trl_folder,
    "trl_reward": trainers.trl_reward_rows,
    "trl_kto": trainers.trl_folder,
    "axolotl": trainers.axolotl_rows,
    "axolotl_kto": trainers.axolotl_rows,
    "llamafactory": trainers.llamafactory_rows,
    "llamafactory_kto": trainers.llamafactory_rows,
    "openrlhf": trainers.openrlhf_rows,
    "torchtune": trainers.torchtune_rows,
    "swift": trainers.swift_rows,
    "swift_kto": trainers.swift_rows,
}
COLUMNS = ("weights", "soft labels", "strength", "tools", "images", "several shards", "mixing")
REFUSED, NO = "refused", "-"
_INTRODUCTION = """\
# What trainers read

Made by `python -m tests.trainer_table`, which writes pairs in each form and loads them by the
trainer's own code: TRL 1.16, axolotl 0.19, LLaMA-Factory 0.9.5, OpenRLHF 0.11, torchtune 0.6 and
ms-swift 4.6. The tests run the same.

- weights: rows (a pair as often as it weighs), or a column that the trainers of `curate.trl` read
- soft labels: rows with the other label by its probability
- strength: the margin of a reward model
- tools: their definitions and an answer that calls one are in what is trained on
- images: embedded files arrive, for both answers
- several shards: all are read
- mixing: `concatenate_datasets` and `interleave_datasets` take the shards beside any other set

refused: the export stops, or goes on with `--allow-loss` and counts the loss (`swift_kto` takes
calls in prompts); -: nothing reads it.

"""
_TOOL = {"type": "function", "function": {"name": "zoom", "parameters": {"type": "object"}}}
_CALL = {"id": "c", "type": "function", "function": {"name": "zoom", "arguments": {"by": 2}}}


def write(pairs: pl.DataFrame, form: str, folder: Path, rows_per_shard: int = 100) -> Path:
    """The folder of an export of pairs, weighted as their columns say."""
    name, _, prompt = form.partition(", ")
    export, parts = get_export(name), found_parts(pairs)
    check_held(export, parts, "parquet", len(pairs), (), "form")
    configure(export, "implicit" if prompt else None, "embed" if _has_files(pairs) else "paths",
              "parquet", "form")  # fmt: skip
    export.parts = held_by(export, "parquet").intersection(parts)
    folder.mkdir()
    export.media.folders = (folder.parent,)
    written = Written.of({"": PairRows.whole(pairs)}, weighing_of(export, None))
    written.write(export, folder / "kept", "parquet", rows_per_shard, lambda _: None)
    write_files(export.files(Advice()), folder)
    return folder


def _has_files(pairs: pl.DataFrame) -> bool:
    return "images" in pairs.columns and pairs["images"].null_count() < len(pairs)


def numbered(count: int, **columns: Any) -> pl.DataFrame:
    """Pairs whose prompts and answers tell them apart."""
    rows = [
        {"prompt": f"what is {i}?", "chosen": f"good {i}", "rejected": f"evil {i}"}
        for i in range(count)
    ]
    return pairs_of(rows).with_columns(**columns)


class Cells:
    """The cells of one form.

    Args:
        form: name of the export, and "implicit" behind a comma.
        folder: for its files.
    """

    def __init__(self, form: str, folder: Path) -> None:
        self._form, self._folder = form, folder
        self._tokenizer = tiny_tokenizer(folder, template=trainers.TEMPLATE)

    def all(self) -> list[str]:
        """Text of each cell, as `COLUMNS`."""
        return [getattr(self, f"_{name.replace(' ', '_')}")() for name in COLUMNS]

    def _rows(self, pairs: pl.DataFrame, name: str, size: int = 100) -> list[trainers.TrainedRow]:
        folder = write(pairs, self._form, self._folder / name, size)
        return LOADERS[self._form](folder, self._tokenizer)

    def _good(self, rows: list[trainers.TrainedRow]) -> list[str]:
        """The preferred answers that are trained on."""
        return [row.answers[0] for row in rows if row.label is not False]

    def _weights(self) -> str:
        pairs = numbered(3, weight=pl.Series([2.0, 0.0, 1.0]))
        good = self._good(self._rows(pairs, "weights"))
        counts = [sum(f"good {i}" in text for text in good) for i in range(3)]
        assert counts == [2, 0, 1], counts
        carriers = get_export(self._form.partition(", ")[0]).carriers
        return ", ".join(name for name in carriers if name != "none")

    def _soft_labels(self) -> str:
        pairs = numbered(2, weight=pl.lit(1.0), label_probability=pl.Series([1.0, 0.0]))
        good = self._good(self._rows(pairs, "soft"))
        assert sorted("evil 1" in text for text in good) == [False, True], good
        return "rows"

    def _strength(self) -> str:
        pairs = numbered(1, strength=pl.lit(2.5, dtype=pl.Float32))
        if self._form == "openrlhf":  # its DPO reads none
            folder = write(pairs, self._form, self._folder / "strength")
            rows = trainers.openrlhf_rows(folder, self._tokenizer, is_dpo=False)
        else:
            rows = self._rows(pairs, "strength")
        return "margin" if {row.margin for row in rows} == {2.5} else NO

    def _tools(self) -> str:
        row = {
            "prompt": published("what?", "user"),
            "chosen": [{"role": "assistant", "content": None, "tool_calls": [_CALL]}],
            "rejected": published("evil"),
            "tools": [_TOOL],
        }
        source = write_jsonl(self._folder / "tools.jsonl", [row])
        try:
            rows = self._rows(read_pairs(str(source)).frame, "tools")
        except CurateError:
            return REFUSED
        (called,) = (text for text in self._good(rows))
        assert '"by"' in called, rows
        assert all("zoom" in row.prompt or "<tools>" in row.answers[0] for row in rows), rows
        return "yes"

    def _images(self) -> str:
        (self._folder / "red.png").write_bytes(picture(seed=1))
        seen = [{"type": "image"}, {"type": "text", "text": "What?"}]
        row = {
            "prompt": [{"role": "user", "content": seen}],
            "chosen": published("good"),
            "rejected": published("evil"),
            "images": ["red.png"],
        }
        source = write_jsonl(self._folder / "images.jsonl", [row])
        try:
            folder = write(read_pairs(str(source)).frame, self._form, self._folder / "images")
        except CurateError:
            return REFUSED
        assert all(self._seen(folder)), self._form
        return "yes"

    def _seen(self, folder: Path) -> list[bool]:
        """Whether each conversation has its image, as the loader gives it."""
        if self._form.startswith("llamafactory"):
            rows = trainers.llamafactory_data(folder)
            return [_is_picture(row["_images"][0]) for row in rows]
        if self._form.startswith("swift"):
            with trainers.swift_modules(folder):
                rows = trainers.swift_data(folder)
            columns = [c for c in ("images", "rejected_images") if c in rows.column_names]
            return [_is_picture(row[c][0]) for row in rows for c in columns]
        return [_is_picture(row["images"][0]) for row in trainers.data_of(folder)]

    def _several_shards(self) -> str:
        rows = self._rows(numbered(6), "shards", 2)
        good = self._good(rows)
        assert all(sum(f"good {i}" in text for text in good) == 1 for i in range(6)), good
        assert len(list((self._folder / "shards" / "kept").iterdir())) >= 3
        return "yes"

    def _mixing(self) -> str:
        pairs = numbered(2, strength=pl.lit(1.0, dtype=pl.Float32))
        ours = trainers.data_of(write(pairs, self._form, self._folder / "mixing"))
        theirs = Dataset.from_list(ours.to_list())
        assert isinstance(ours.features, Features)
        assert len(concatenate_datasets([ours, theirs])) == 2 * len(ours)
        assert len(interleave_datasets([theirs, ours])) == 2 * len(ours)
        return "yes"


def _is_picture(image: Any) -> bool:
    """Whether a loader's image is the one that was written."""
    if isinstance(image, dict):
        return bool(image["bytes"] == picture(seed=1))
    return bool(image.size == (64, 64))


def cells(form: str) -> list[str]:
    """The row of a form."""
    with tempfile.TemporaryDirectory() as folder:
        return Cells(form, Path(folder)).all()


def line(form: str, row: list[str]) -> str:
    """The row as Markdown."""
    name, _, prompt = form.partition(", ")
    shown = f"`{name}`, prompt: implicit" if prompt else f"`{name}`"
    return "| " + " | ".join((shown, *row)) + " |"


def page() -> str:
    """The whole page."""
    lines = [
        *_INTRODUCTION.splitlines(),
        "| form | " + " | ".join(COLUMNS) + " |",
        "|---" * (len(COLUMNS) + 1) + "|",
        *(line(form, cells(form)) for form in LOADERS),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
