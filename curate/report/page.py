"""The frame of all pages: one file with styles, scripts and data, which needs nothing else."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from curate.errors import CurateError
from curate.write.shards import write_text


def write_page(html: str, path: Path) -> Path:
    """Write a page and return its path; raises CurateError where it cannot be written."""
    try:
        write_text(html, path)
    except OSError as error:
        raise CurateError(
            "the page cannot be written",
            where=str(path),
            found=error.strerror or str(error),
            fix="free space or set --output; the run is complete: curate report writes its page",
        ) from None
    return path


def render_page(template: str, *, has_charts: bool = True, **values: Any) -> str:
    """Return a template with the styles and scripts, and for charts the plotting library, in it."""
    return render_fragment(
        template,
        js=read_asset("report.js") + read_asset("explorer.js"),
        plotly=_plotly_source() if has_charts else "",
        **values,
    )


def render_fragment(template: str, **values: Any) -> str:
    """Return a template with the styles put into it, without scripts."""
    return _jinja_environment().get_template(template).render(css=read_asset("style.css"), **values)


def read_asset(name: str) -> str:
    """Return a file of the package's templates."""
    return resources.files("curate.report").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _plotly_source() -> str:
    file = resources.files("plotly").joinpath("package_data", "plotly.min.js")
    # The end of a script inside the library's texts would end the page's script.
    return file.read_text(encoding="utf-8").replace("</script", "<\\/script")


@cache
def _jinja_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("curate.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = lambda value: f"{value:,}"
    environment.filters["percent"] = lambda value: "?" if value is None else f"{value:.1%}"
    environment.filters["score"] = _format_score
    environment.filters["embedded"] = _embed_json
    return environment


def _format_score(value: Any) -> str:
    if value is None:
        return "?"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _embed_json(value: Any) -> str:
    """Return JSON that cannot close the script element around it."""
    text = json.dumps(
        value, ensure_ascii=False, allow_nan=False, default=str, separators=(",", ":")
    )
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
