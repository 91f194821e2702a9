"""Datasets as given on the command line, the same way for every command."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer

from curate.data.json_types import JsonObject
from curate.errors import CurateError, suggestion

if TYPE_CHECKING:
    from curate.read.formats.columns import ColumnMapping
    from curate.read.input import InputConfig
    from curate.read.pairs import Pairs
    from curate.steps.context import Progress

_LABEL_LISTS = ("first_wins", "second_wins", "tie", "labels")


@dataclass(frozen=True)
class DatasetOptions:
    """A dataset and how to read it, from the options of a command.

    Attributes:
        data: file, glob, folder, URL, hf:owner/name, a run's folder or a pipeline.yaml.
        format: name of the format, or "auto".
        columns: mapping as text; see `parse_columns`.
        split: split of a Hub or saved dataset.
        config: configuration of a Hub dataset.
        limit: maximum number of pairs.
        on_error: what happens at a malformed row: "stop" or "skip".
        prints_notes: whether notes about reading are printed; False for commands that show them
            in their own output.
        takes_single_answers: whether rows without a rejected answer can be used.
    """

    data: str
    format: str = "auto"
    columns: str | None = None
    split: str | None = None
    config: str | None = None
    limit: int | None = None
    on_error: str = "skip"
    prints_notes: bool = True
    takes_single_answers: bool = False

    @property
    def is_pipeline(self) -> bool:
        """Return whether the data is given by a pipeline.yaml."""
        return self.data.endswith((".yaml", ".yml"))

    def pipeline_inputs(self) -> list[str]:
        """Return the paths that a pipeline.yaml reads; nothing for other data."""
        if not self.is_pipeline:
            return []
        from curate.pipeline.run import Pipeline

        return [path for path in Pipeline(self.data).input_paths() if path is not None]

    def input(self) -> InputConfig:
        """Return the input section of a pipeline for these options."""
        from curate.read.input import InputConfig

        mapping = None if self.columns is None else parse_columns(self.columns)
        options = {
            "format": self.format,
            "columns": mapping,
            "split": self.split,
            "config": self.config,
            "limit": self.limit,
            "on_error": self.on_error,
        }
        return InputConfig.model_validate(source_arguments(self.data) | options)

    def read(self, progress: Progress, scratch: Path | None = None) -> Pairs:
        """Read the pairs of a dataset, a run folder or a pipeline's input.

        Texts are kept in memory, or in files of the folder `scratch` if it is given. Malformed rows
        are skipped and reported. A run gives all its pairs, kept and dropped, with the labels that
        its filters flipped.
        """
        from curate.write.run_files import is_run

        if is_run(self.data):
            self.reject_reading_options("a run's pairs are read already")
            # Skipped rows were reported when the run was written.
            return self._checked(_pairs_of_run(self.data, self.limit, scratch))
        pairs = self._checked(self._read(progress, scratch))
        self._print_notes(pairs.reading_notes())
        return pairs

    def _checked(self, pairs: Pairs) -> Pairs:
        """Return the pairs; single answers are refused where two answers are compared."""
        return pairs if self.takes_single_answers else pairs.require_two_answers(self.data)

    def _read(self, progress: Progress, scratch: Path | None) -> Pairs:
        from curate.read.pairs import collect_pairs, read_pairs, stream_pairs
        from curate.store.scratch import ScratchSpace

        if self.is_pipeline:
            from curate.pipeline.run import Pipeline

            self.reject_reading_options("the pipeline.yaml defines how its data is read")
            return Pipeline(self.data).read(progress, self.limit)
        if scratch is None:
            return read_pairs(**dict(self.input()), progress=progress)
        batches = stream_pairs(**dict(self.input()), progress=progress)
        return collect_pairs(batches, ScratchSpace(scratch))

    def sample(self, progress: Progress, max_pairs: int) -> Pairs:
        """Read all pairs, or a random sample of prompts if there are more than `max_pairs`.

        A sample is mentioned in the notes of the pairs and on the terminal. 0 reads all pairs.
        """
        from curate.read.prompt_sample import sample_prompts

        if not max_pairs:
            return self.read(progress)
        # On disk: the dataset that is sampled may not fit into memory.
        with TemporaryDirectory() as scratch:
            sample, note = sample_prompts(self.stream(progress, Path(scratch)), max_pairs)
        if note is not None and self.prints_notes:
            typer.echo(f"{self.data}: {note} (--most {max_pairs}; 0 uses all)")
        return sample

    def stream(self, progress: Progress, scratch: Path) -> Iterator[Pairs]:
        """Yield the pairs in batches; those of a run are kept in files of `scratch` meanwhile."""
        from curate.read.pair_dataset import StreamNotes
        from curate.read.pairs import stream_pairs
        from curate.write.run_files import is_run

        if self.is_pipeline or is_run(self.data):
            yield from _split_into_batches(self.read(progress, scratch))
            return
        notes = StreamNotes()
        for batch in notes.watch(stream_pairs(**dict(self.input()), progress=progress)):
            yield self._checked(batch)
        self._print_notes(notes.notes())

    def _print_notes(self, lines: list[str]) -> None:
        """Print notes about reading, unless the command shows them itself."""
        if self.prints_notes and lines:
            from curate.cli.console import show_warnings

            show_warnings([f"{self.data}: {line}" for line in lines])

    def reading_options(self) -> list[str]:
        """Return the options that define how the dataset is read, as command-line words."""
        options = {
            "--format": None if self.format == "auto" else self.format,
            "--columns": self.columns,
            "--split": self.split,
            "--config": self.config,
            "--limit": None if self.limit is None else str(self.limit),
        }
        words = ((option, value) for option, value in options.items() if value is not None)
        return [word for option_and_value in words for word in option_and_value]

    def reject_reading_options(self, reason: str) -> None:
        """Reject options without effect; `--limit` works on any data."""
        # Options and values alternate: every second word is an option.
        for option in self.reading_options()[::2]:
            if option != "--limit":
                raise CurateError("the option has no effect here", where=option, found=reason)


def _split_into_batches(pairs: Pairs) -> Iterator[Pairs]:
    """Yield pairs that are in memory, in batches."""
    from dataclasses import replace

    from curate.data.table import BATCH_ROWS, batch_slices

    rejected = pairs.rejected
    for rows in batch_slices(len(pairs), BATCH_ROWS):
        origins = pairs.origins[rows] if len(pairs.origins) else pairs.origins
        yield replace(pairs, frame=pairs.frame[rows], rejected=rejected, origins=origins)
        # Rejected rows are counted once, with the first batch.
        rejected = rejected.clear()


def _pairs_of_run(folder: str, limit: int | None, scratch: Path | None) -> Pairs:
    from curate.data.table import PAIR_COLUMNS
    from curate.read.pairs import Pairs
    from curate.store.scratch import ScratchSpace
    from curate.write.run_files import RunFiles

    run = RunFiles(folder)
    frame = run.all_pairs(ScratchSpace(scratch)).select(list(PAIR_COLUMNS))
    read = run.manifest.input
    return Pairs(
        frame if limit is None else frame.head(limit),
        run.rejected(),
        format=f"a run of {read.format}",
        rows_read=read.rows_read,
        folders=run.manifest.data_folders,
    )


def source_arguments(data: str) -> JsonObject:
    """Return a dataset of the command line as arguments of `read_pairs`."""
    if data.startswith("hf:"):
        return {"hf": data.removeprefix("hf:").strip()}
    return {"path": data}


def parse_columns(text: str) -> ColumnMapping:
    """Parse `key=column` pairs, separated by commas; `|` separates equivalent labels.

    Raises:
        CurateError: an unknown key, a missing column, or an incomplete mapping.
    """
    # Imported here: commands that read no data start without pydantic.
    from pydantic import ValidationError

    from curate.read.formats.columns import ColumnMapping

    valid_keys = list(ColumnMapping.model_fields)
    mapping: JsonObject = {}
    for entry in text.split(","):
        key, equals, value = (piece.strip() for piece in entry.partition("="))
        if not equals or not value or key not in valid_keys:
            raise CurateError(
                "invalid column mapping",
                where="--columns",
                found=repr(entry),
                expected=f"comma-separated KEY=COLUMN, with the keys {', '.join(valid_keys)}",
                fix=suggestion(key, valid_keys) if key and key not in valid_keys else None,
            )
        # A comma ends the entry, so equivalent labels need another sign.
        mapping[key] = value.split("|") if key in _LABEL_LISTS else value
        if key == "roles":
            entries = (role.partition(":") for role in value.split("|"))
            mapping[key] = {name.strip(): role.strip() for name, _, role in entries}
    try:
        return ColumnMapping.model_validate(mapping)
    except ValidationError as error:
        raise CurateError(
            "invalid column mapping",
            where="--columns",
            found=text,
            expected=str(error.errors()[0]["msg"]).removeprefix("Value error, "),
        ) from None
