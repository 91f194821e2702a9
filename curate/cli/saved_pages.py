"""Pages of what commands wrote: `curate report` on a folder or a JSON file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from curate.data.json_types import Json

if TYPE_CHECKING:
    from curate.errors import CurateError

_WITHOUT_PAGE = {
    "export.json": "curate export",
    "derive.json": "curate derive",
    "merge.json": "curate merge",
    "route.json": "curate route",
}
"""Files of folders that hold pairs and no findings, and the command that wrote them."""
_EXPECTED = (
    "a folder or JSON file of curate run, audit, bench, worth or explain "
    "(compare writes a page itself)"
)


def page_path(source: Path) -> Path:
    """Return where the page of a folder or JSON file is written by default."""
    from curate.report.build import REPORT

    file = _result_file(source)
    return source / REPORT if file is None else file.with_suffix(".html")


def write_saved_page(source: Path, output: Path | None = None) -> Path:
    """Write the page of a folder or JSON file that a command wrote, by default into that folder.

    Raises:
        CurateError: no command with a page wrote it, or it is damaged.
    """
    from curate.errors import CurateError
    from curate.report.build import write_report
    from curate.report.page import write_page

    file = _result_file(source)
    if file is None:
        return write_report(source, output)
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        html = _page_of(values, file)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CurateError(
            "no findings that have a page",
            where=str(file),
            found=f"{type(error).__name__}: {str(error).partition(chr(10))[0]}",
            expected=_EXPECTED,
        ) from None
    return write_page(html, output or page_path(source))


def _result_file(source: Path) -> Path | None:
    """Return the JSON file with the findings; None for the folder of a run.

    Raises:
        CurateError: the folder holds no findings, or those of several commands.
    """
    from curate.write.run_files import is_run

    if source.suffix == ".json" or source.is_file():
        return source
    if is_run(source):
        return None
    files = [source / name for name in _RESULT_FILES if (source / name).is_file()]
    if len(files) != 1:
        raise _no_single_file(source, files)
    return files[0]


def _no_single_file(source: Path, files: list[Path]) -> CurateError:
    """Return the error for a folder with the findings of no command, or of several ones."""
    from curate.errors import CurateError

    if files:
        contents = " and ".join(file.name for file in files)
        return CurateError(
            "several findings: name the file",
            where=str(source),
            found=contents,
            expected=str(files[0]),
        )
    writers = [verb for name, verb in _WITHOUT_PAGE.items() if (source / name).is_file()]
    contents = "none of their files" if source.exists() else "no such folder"
    if writers:
        contents = f"a folder of '{writers[0]}', which has no page"
    return CurateError("nothing to report", where=str(source), found=contents, expected=_EXPECTED)


def _page_of(values: Mapping[str, Json], file: Path) -> str:
    """Return the page of findings; they are told apart by what they hold, not by their name."""
    for key, make_page in _PAGES.items():
        if key in values:
            return make_page(values, file)
    raise ValueError(f"none of the keys {', '.join(_PAGES)}")


def _bench_page(values: Mapping[str, Json], _: Path) -> str:
    from curate.benchmark.page import bench_html
    from curate.benchmark.report import BenchFindings

    return bench_html(BenchFindings.from_json(values))


def _worth_page(values: Mapping[str, Json], _: Path) -> str:
    from curate.benchmark.worth import Worth
    from curate.benchmark.worth_page import worth_html

    return worth_html(Worth.from_json(values))


def _explanation_page(values: Mapping[str, Json], _: Path) -> str:
    from curate.explain.explanation import Explanation
    from curate.explain.page import explanation_html

    return explanation_html(Explanation.from_json(values))


def _answers_page(values: Mapping[str, Json], file: Path) -> str:
    from curate.auditing.single_answers import AnswerAudit
    from curate.report.audit_page import answers_html

    return answers_html(AnswerAudit.from_json(values), file.stem)


def _audit_page(values: Mapping[str, Json], file: Path) -> str:
    from curate.auditing.audit_report import AuditReport
    from curate.report.audit_page import audit_html

    return audit_html(AuditReport.from_json(values), file.stem)


_PAGES: dict[str, Callable[[Mapping[str, Json], Path], str]] = {
    "advice": _bench_page,
    "errors": _worth_page,
    "autoencoder": _explanation_page,
    "problems": _answers_page,
    "biases": _audit_page,
}
"""The page of findings, by a key that only these have."""
_RESULT_FILES = ("audit.json", "bench.json", "worth.json", "explanation.json")
