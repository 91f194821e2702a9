"""Data sets as the command line names them: one way for every verb."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import typer

from curate.errors import CurateError, suggestion

if TYPE_CHECKING:
    from curate.read.formats.columns import ColumnMapping
    from curate.read.input import InputConfig

_LISTS = ("first_wins", "second_wins", "tie")


@dataclass(frozen=True)
class Given:
    """A data set and how to read it, as options say.

    Attributes:
        data: file, glob, folder, URL, hf:owner/name, a run's folder or a pipeline.yaml.
        format: name of the format, or "auto".
        columns: mapping as text; see `parse_columns`.
        split: of a hub or saved data set.
        config: configuration of a hub data set.
        limit: pairs at most.
        on_error: at a malformed row.
        tells: whether what the user should know of the reading is shown; verbs that show it
            themselves say no.
    """

    data: str
    format: str = "auto"
    columns: str | None = None
    split: str | None = None
    config: str | None = None
    limit: int | None = None
    on_error: str = "skip"
    tells: bool = True

    @property
    def is_pipeline(self) -> bool:
        """Whether a pipeline.yaml names the data."""
        return self.data.endswith((".yaml", ".yml"))

    def input(self) -> InputConfig:
        """Where the rows are; of a pipeline its `input`."""
        from curate.read.input import InputConfig

        mapping = None if self.columns is None else parse_columns(self.columns)
        given = {
            "format": self.format,
            "columns": mapping,
            "split": self.split,
            "config": self.config,
            "limit": self.limit,
            "on_error": self.on_error,
        }
        return InputConfig.model_validate(place(self.data) | given)

    def read(self, progress: Any, room: Path | None = None) -> Any:
        """The pairs of a data set, a run's folder or a pipeline's input.

        Texts lie in memory, or in files of the folder `room` where one is given. Malformed rows are
        left out and told. Of a run all pairs are taken, as they were read but for labels that its
        filters flipped.
        """
        from curate.write.run_files import is_run

        if is_run(self.data):
            self.refuse_reading_options("a run's pairs are read already")
            # What was left out was told when the run was made.
            return _of_run(self.data, self.limit, room)
        pairs = self._read(progress, room)
        self._tell(pairs.reading_notes())
        return pairs

    def _read(self, progress: Any, room: Path | None) -> Any:
        from curate.read.pairs import collect_pairs, read_pairs, stream_pairs
        from curate.store.workspace import Workspace

        if self.is_pipeline:
            from curate.pipeline.run import Pipeline

            self.refuse_reading_options("a pipeline.yaml says how its data is read")
            return Pipeline(self.data).read(progress, self.limit)
        if room is None:
            return read_pairs(**dict(self.input()), progress=progress)
        parts = stream_pairs(**dict(self.input()), progress=progress)
        return collect_pairs(parts, Workspace(room))

    def sample(self, progress: Any, most: int) -> Any:
        """The same pairs, or a random sample of the prompts where there are more than `most`.

        It is told as a note of the pairs, and on the terminal. 0 takes all.
        """
        from curate.read.prompt_sample import sample_prompts

        if not most:
            return self.read(progress)
        with TemporaryDirectory() as room:
            found, told = sample_prompts(self.parts(progress, Path(room)), most)
        if told is not None and self.tells:
            typer.echo(f"{self.data}: {told} (--most {most}; 0 takes all)")
        return found

    def parts(self, progress: Any, room: Path) -> Iterator[Any]:
        """The pairs, a few thousand at a time; those of a run lie in files of `room` meanwhile."""
        from curate.read.pairs import stream_pairs
        from curate.read.stream_notes import StreamNotes
        from curate.write.run_files import is_run

        if self.is_pipeline or is_run(self.data):
            yield from _in_parts(self.read(progress, room))
            return
        told = StreamNotes()
        yield from told.watch(stream_pairs(**dict(self.input()), progress=progress))
        self._tell(told.notes())

    def _tell(self, lines: list[str]) -> None:
        """Show what the user should know of the reading."""
        if self.tells and lines:
            from curate.cli.console import show_warnings

            show_warnings([f"{self.data}: {line}" for line in lines])

    def reading_options(self) -> list[str]:
        """The options that say how the data set is read, as words of a command line."""
        options = {
            "--format": None if self.format == "auto" else self.format,
            "--columns": self.columns,
            "--split": self.split,
            "--config": self.config,
            "--limit": None if self.limit is None else str(self.limit),
        }
        words = ((option, value) for option, value in options.items() if value is not None)
        return [word for both in words for word in both]

    def refuse_reading_options(self, why: str) -> None:
        """Refuse options that would have no effect; `--limit` has one on any data."""
        for option in self.reading_options()[::2]:
            if option != "--limit":
                raise CurateError("the option has no effect here", where=option, found=why)


def _in_parts(pairs: Any) -> Iterator[Any]:
    """Pairs that are at hand, a few thousand at a time."""
    from dataclasses import replace

    from curate.data.table import BATCH_ROWS, batches

    rejected = pairs.rejected
    for rows in batches(len(pairs), BATCH_ROWS):
        origins = pairs.origins[rows] if len(pairs.origins) else pairs.origins
        yield replace(pairs, frame=pairs.frame[rows], rejected=rejected, origins=origins)
        # Rejected rows are counted with the first part alone, not once for each.
        rejected = rejected.clear()


def _of_run(folder: str, limit: int | None, room: Path | None) -> Any:
    from curate.data.table import PAIR_COLUMNS
    from curate.read.pairs import Pairs
    from curate.store.workspace import Workspace
    from curate.write.manifest import data_folders
    from curate.write.run_files import RunFiles

    run = RunFiles(folder)
    frame = run.all_pairs(Workspace(room)).select(list(PAIR_COLUMNS))
    read = run.manifest["input"]
    return Pairs(
        frame if limit is None else frame.head(limit),
        run.rejected(),
        format=f"a run of {read['format']}",
        rows_read=read["rows_read"],
        folders=data_folders(run.manifest),
    )


def place(data: str) -> dict[str, Any]:
    """A data set of the command line as arguments of `read_pairs`."""
    if data.startswith("hf:"):
        return {"hf": data.removeprefix("hf:").strip()}
    return {"path": data}


def parse_columns(text: str) -> ColumnMapping:
    """A mapping from `key=column` by commas; labels that mean the same stand by `|`.

    Raises:
        CurateError: no such key, no column, or neither of the two forms.
    """
    # Here, so that verbs that read no data start without pydantic.
    from pydantic import ValidationError

    from curate.read.formats.columns import ColumnMapping

    known = list(ColumnMapping.model_fields)
    found: dict[str, Any] = {}
    for part in text.split(","):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value or key not in known:
            raise CurateError(
                "wrong mapping of columns",
                where="--columns",
                found=repr(part),
                expected=f"KEY=COLUMN by commas, keys {', '.join(known)}",
                fix=suggestion(key, known) if key and key not in known else None,
            )
        found[key] = value.split("|") if key in _LISTS else value
    try:
        return ColumnMapping.model_validate(found)
    except ValidationError as error:
        raise CurateError(
            "wrong mapping of columns",
            where="--columns",
            found=text,
            expected=str(error.errors()[0]["msg"]).removeprefix("Value error, "),
        ) from None
