"""What a run gives back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from curate.data.notebook_html import facts_html, table_html
from curate.data.row_selection import RowSelection
from curate.errors import CurateError
from curate.report.run_verdict import run_verdict
from curate.steps.step_record import StepRecord, all_warnings
from curate.write.manifest import RowCounts, SourceSummary

if TYPE_CHECKING:
    import pandas
    from datasets import Dataset
    from plotly.graph_objects import Figure

    from curate.report.run_view import RunView
    from curate.report.suspicious_pairs import SuspiciousPairs
    from curate.write.exports.base import Carrier, Prompt
    from curate.write.weighing import SoftLabels, WeightCounts


_STEP_HEAD = ("step", "pairs in", "merged", "dropped", "labels flipped", "pairs out")


@dataclass(frozen=True)
class Result:
    """A finished run.

    Attributes:
        scores: pair_id and every score column, one row for each pair read, in order.
        kept_rows: the kept pairs, as filters changed them, `weight` if given, and the columns that
            the shards carry.
        dropped_rows: the others, with drop_step, drop_reason and drop_code.
        rejected: file, row and reason of rows that were no pairs.
        steps: what each step did.
        prompt_map: places of prompts in the plane for the report, where the run had embeddings.
        folder: where the run was written, None for a run in memory.
        sources: what was done to each of several sources; see `summarise_by_source`.
        weights: how weighted pairs were written, None where they have no weights.

    Examples:
        >>> from curate import Pipeline
        >>> rows = [{"prompt": f"Question {n}", "chosen": "a", "rejected": "b"} for n in range(10)]
        >>> result = Pipeline({"filters": [{"type": "sample", "rows": 4}]}).run(rows)
        >>> len(result.kept), len(result.dropped)
        (4, 6)
        >>> result.dropped["drop_code"].unique().to_list()
        ['not_sampled']
    """

    scores: pl.DataFrame
    kept_rows: RowSelection
    dropped_rows: RowSelection
    rejected: pl.DataFrame
    steps: list[StepRecord]
    prompt_map: pl.DataFrame | None = None
    folder: Path | None = None
    sources: tuple[SourceSummary, ...] = ()
    weights: WeightCounts | None = None

    @property
    def rows_in(self) -> int:
        """Return pairs read."""
        return len(self.scores)

    @property
    def rows_kept(self) -> int:
        """Return pairs kept."""
        return len(self.kept_rows)

    @property
    def rows_dropped(self) -> int:
        """Return pairs dropped."""
        return len(self.dropped_rows)

    @property
    def row_counts(self) -> RowCounts:
        """Return where the pairs went, and the rows that were written by weight."""
        counts = RowCounts(self.rows_in, self.rows_kept, self.rows_dropped)
        if self.weights is None:
            return counts
        return replace(counts, undrawn=self.weights.undrawn, written=self.weights.rows)

    @cached_property
    def kept(self) -> pl.DataFrame:
        """Return the pair table of the kept pairs, as filters changed them, with `weight` if given
        and the columns that the shards carry.
        """
        return self.kept_rows.frame()

    @cached_property
    def dropped(self) -> pl.DataFrame:
        """Return the pair table of the others, with drop_step, drop_reason and drop_code."""
        return self.dropped_rows.frame()

    @property
    def pairs_changed(self) -> bool:
        """Return whether a filter changed pairs, and did not only drop or weigh them."""
        return any(step.changes_pairs for step in self.steps)

    @property
    def warnings(self) -> list[str]:
        """Return what the user should know, each once, the most important first."""
        return all_warnings(self.steps)

    @property
    def alerts(self) -> list[str]:
        """Return the warnings that are shown before all else."""
        # Two filters may raise the same alert; a dict keeps the order, a set would not.
        return list(dict.fromkeys(text for step in self.steps for text in step.alerts))

    def kept_dataset(
        self,
        format: str = "trl",
        *,
        allow_loss: bool = False,
        prompt: Prompt | None = None,
        weights: Carrier | None = None,
        soft_labels: SoftLabels = "sampled",
        copies: int = 1,
        seed: int = 0,
    ) -> Dataset:
        """Return the kept pairs as a `datasets.Dataset` in a trainer's form, ready for its trainer.

        Args:
            format: name of the export; see `curate list`.
            allow_loss: write even if the form cannot hold parts of the pairs.
            prompt: "explicit" or "implicit", as `output.prompt`.
            weights: "rows", "column" or "none", as `output.weights`; default as there.
            soft_labels: see `output.soft_labels`.
            copies: see `output.copies`.
            seed: seed of the draws by weight.

        Raises:
            CurateError: no such form, it would lose parts of the pairs, or nothing reads weights
                there.
        """
        from curate.write.as_dataset import to_dataset
        from curate.write.exports import get_export
        from curate.write.weighing import resolve_weighing

        form = get_export(format, "format")
        weighing = resolve_weighing(form, weights, soft_labels, copies, seed, "weights")
        return to_dataset(
            self.kept, format, allow_loss=allow_loss, prompt=prompt, weighing=weighing
        )

    def to_pandas(self) -> pandas.DataFrame:
        """Return the kept pairs in pandas."""
        return self.kept.to_pandas()

    def suspicious_pairs(self, count: int = 10) -> SuspiciousPairs:
        """Return the pairs whose labels are doubted most, which notebooks show side by side.

        Each pair of answers once, without merged votes and reviewed pairs.

        Args:
            count: pairs at most.
        """
        from curate.report.suspicious_pairs import SuspiciousPairs

        return SuspiciousPairs.from_view(self._view(), count)

    def _view(self) -> RunView:
        """Return the result as pages see it: from its folder where it was written, or memory."""
        from curate.report.run_view import load_view, make_view
        from curate.store.scratch import ScratchSpace
        from curate.write.manifest import InputSummary, OutputSummary, RunManifest
        from curate.write.run_files import restore_reading_order

        if self.folder is not None:
            return load_view(self.folder)
        ids = self.scores["pair_id"], self.kept_rows.select(["pair_id"])["pair_id"]
        rows = self.kept_rows.iter_batches(), self.dropped_rows.iter_batches()
        pairs = restore_reading_order(*ids, *rows, ScratchSpace())
        read = InputSummary("memory", self.rows_in, len(self.rejected), self.rows_in, "")
        output = OutputSummary("none", "none")
        manifest = RunManifest({}, {}, read, self.row_counts, tuple(self.steps), output)
        return make_view(Path(), manifest, pairs, self.scores)

    def plot_scores(self, column: str | None = None) -> Figure:
        """Return a histogram of a score for kept and removed pairs, as a Plotly figure.

        Args:
            column: name of a numeric column of `scores`; default the one by which labels are
                doubted, else the first.

        Raises:
            CurateError: there is no such column, or it holds no numbers.
        """
        from curate.report.figures import score_figure
        from curate.report.run_view import SUSPICION

        numeric = [
            name
            for name, dtype in self.scores.schema.items()
            if "." in name and (dtype.is_numeric() or dtype == pl.Boolean)
        ]
        preferred = [name for name, _ in SUSPICION if name in numeric]
        name = column or next(iter([*preferred, *numeric]), None)
        if name not in numeric:
            raise CurateError(
                "no such score to plot",
                where="plot_scores",
                found=repr(name),
                expected=", ".join(numeric) or "a run with a scorer",
            )
        kept_ids = self.kept["pair_id"].implode()
        return score_figure(self.scores[name], self.scores["pair_id"].is_in(kept_ids).to_numpy())

    def _repr_html_(self) -> str:
        step_rows = [
            (s.name, s.rows_in, s.pairs_merged, s.pairs_dropped, s.labels_flipped, s.rows_out)
            for s in self.steps
        ]
        notes = table_html("Warnings", (), [(w,) for w in self.warnings]) if self.warnings else ""
        table = table_html("Steps", _STEP_HEAD, step_rows)
        return facts_html(dict(run_verdict(self.row_counts, self.steps).lines)) + table + notes
