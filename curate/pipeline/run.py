"""The main job: read, score, filter, write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from curate.pipeline.config import PipelineConfig, check_utf8, load_config, parse_config
from curate.pipeline.mixture import read_mixture
from curate.pipeline.plan import PipelinePlan, make_plan
from curate.pipeline.read_cache import read_input
from curate.pipeline.result import Result
from curate.pipeline.session import RunSession
from curate.pipeline.yaml_locations import YamlLocations
from curate.read.pairs import Pairs
from curate.steps.context import Progress, SilentProgress
from curate.steps.permissions import Permissions
from curate.store.scratch import ScratchSpace
from curate.write.run_folder import check_free


class Pipeline:
    """Scores and filters preference pairs as a configuration says.

    Args:
        config: a path to pipeline.yaml, the same as plain data, or a `PipelineConfig`.
        permissions: what the pipeline's file must not decide itself; default nothing
            but what $CURATE_ALLOW_HOSTS allows.
        locations: line and column of the keys of a `PipelineConfig`, for error messages.

    Raises:
        CurateError: a mistake in the configuration; nothing has been read then.

    Examples:
        >>> from curate import Pipeline
        >>> rows = [
        ...     {"prompt": "What is 2 + 2?", "chosen": "4", "rejected": "5"},
        ...     {"prompt": "Say hello.", "chosen": "Hello!", "rejected": "Hello!"},
        ... ]
        >>> result = Pipeline({"filters": [{"type": "identical_answers"}]}).run(rows)
        >>> result.rows_kept
        1
        >>> result.dropped["drop_reason"].to_list()
        ['the chosen answer is the rejected answer']
    """

    def __init__(
        self,
        config: PipelineConfig | Mapping[str, object] | str | Path,
        locations: YamlLocations | None = None,
        *,
        permissions: Permissions | None = None,
    ) -> None:
        if isinstance(config, (str, Path)):
            config, locations = load_config(config)
        elif isinstance(config, Mapping):
            config = parse_config(dict(config))
        check_utf8(config, locations)
        self.config = config
        self.plan: PipelinePlan = make_plan(config, locations)
        self._permissions = permissions or Permissions.for_hosts()

    def check_permissions(self) -> None:
        """Refuse, before anything is read, what the pipeline's file must not decide itself.

        Raises:
            CurateError: a step would send a key to a host that is not allowed, or run a model's
                code.
        """
        for step in self.plan.scorers:
            self._permissions.check(step.name, step.scorer)
        for filter_step in self.plan.filters:
            self._permissions.check(filter_step.name, filter_step.filter)

    def read(self, progress: Progress | None = None, limit: int | None = None) -> Pairs:
        """Return the pairs that the configuration's `input` names; `limit` goes before its own."""
        if self.config.sources:
            reporter = progress or SilentProgress()
            return read_mixture(
                self.config.sources, self.config.seed, reporter, ScratchSpace(), limit
            )[0]
        return read_input(self.config.input, progress, limit)

    def run(
        self,
        pairs: object = None,
        *,
        output: str | Path | None = None,
        overwrite: bool = False,
        progress: Progress | None = None,
    ) -> Result:
        """Run all steps.

        Args:
            pairs: pairs of `read_pairs`, or anything it accepts (a path, a dataset, a frame, a list
                of dicts); default the configuration's `input`.
            output: folder to write the run to; None keeps it in memory.
            overwrite: replace a finished run in that folder.
            progress: receives the progress; default none.

        Raises:
            CurateError: a mistake of the user in data, configuration or output folder.
        """
        self.check_permissions()
        folder = None if output is None else Path(output)
        # Before hours of work: the folder may be there already, or be the input's own.
        if folder is not None:
            for path in self.input_paths() if pairs is None else [None]:
                check_free(folder, overwrite, reads=path)
        target = (folder, overwrite, progress or SilentProgress())
        with RunSession.open(self.config, self.plan, *target) as configured:
            loaded = configured.load(pairs)
            session = configured.for_answers(loaded.pairs.frame)
            embedded = session.embed(loaded)
            scored = session.score(embedded)
            filtered = session.filter(embedded, scored)
            result = session.assemble(embedded, filtered)
            # A pair that is neither kept nor dropped would be lost silently.
            result.row_counts.check()
            return session.write(result, embedded.pairs)

    def input_paths(self) -> list[str | None]:
        """Return the paths of the input."""
        inputs = [*self.config.sources, *([self.config.input] if self.config.input else [])]
        return [i.path for i in inputs] or [None]
