"""`curate report` on what each command wrote, and what it says of what has no page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from curate import CurateError, read_pairs
from curate.auditing.single_answers import audit_single_answers
from curate.benchmark.power_law import PowerLaw
from curate.benchmark.worth import FittedValue, NoisyPairWorth, Worth, WorthFindings
from curate.cli.app import app
from curate.cli.saved_pages import write_saved_page
from tests.curate.conftest import axe_findings

METHODS = (
    "keep all",
    "drop_wrong",
    "flip",
    "soft_labels",
    "signed_weights",
    "reweight",
    "quantile",
)


def saved_bench() -> dict[str, Any]:
    key = {"dataset": "some/prefs", "pattern": "as labelled", "rate": 0.0}
    numbers = {"downstream_accuracy": 0.6, "gain_low": -0.01, "gain_high": 0.03, "p": 0.4}
    summary = [
        key | numbers | {"method": name, "gain": 0.01 * place, "verdict": "nothing shown"}
        for place, name in enumerate(METHODS)
    ]
    advice = {"method": None, "proven": False, "sentences": ["Keep all pairs."], "lines": ""}
    noise = {"text": "at most 9 %", "rate": 0.05, "low": 0.01, "high": 0.09}
    return {
        "advice": [advice | {"key": key}, advice | {"key": key | {"pattern": "symmetric"}}],
        "summary": [*summary, *({**row, "pattern": "symmetric"} for row in summary)],
        "noise": {"some/prefs": noise},
    }


def saved_worth(law: PowerLaw | None) -> Worth:
    sizes = np.array([20, 100, 500])
    errors = np.array(
        [[[0.4, 0.3, 0.2], [0.45, 0.4, 0.3]], [[0.42, 0.28, 0.22], [0.47, 0.4, 0.33]]]
    )
    row = NoisyPairWorth(0.2, FittedValue(2.9, 1.8, 5.1), 2.78)
    findings = WorthFindings(0.21, 0.41, worth=(row,), text="doubling <b>helps</b>")
    return Worth("some/prefs", (0.0, 0.2), sizes, errors, law, findings)


def written(folder: Path, name: str, values: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(values))
    return folder


@pytest.mark.parametrize("law", [None, PowerLaw(0.1, 1.0, 0.5, np.array([1.0, 3.0]))])
def test_worth(tmp_path: Path, law: PowerLaw | None) -> None:
    worth = saved_worth(law)
    values = json.loads(json.dumps(worth.to_json()))
    assert Worth.from_json(values).to_json() == values
    page = write_saved_page(written(tmp_path / "w", "worth.json", values))
    assert page == tmp_path / "w" / "worth.html"
    text = page.read_text()
    assert "Doubling &lt;b&gt;helps&lt;/b&gt;." in text
    assert "One clean pair equals 2.9 pairs with 20% flips" in text
    assert ("Dotted: the fitted law" in text) == (law is not None)
    # A file of an older version: the law is not in it.
    del values["law"]
    assert Worth.from_json(values).law is None


def test_bench_and_audit_folders(tmp_path: Path) -> None:
    page = write_saved_page(written(tmp_path / "b", "bench.json", saved_bench()))
    assert page == tmp_path / "b" / "bench.html"
    assert "some/prefs: labels as given" in page.read_text()
    rows = [{"prompt": f"p{i}", "completion": "" if i < 2 else "yes"} for i in range(5)]
    audit = audit_single_answers(read_pairs(rows))
    page = write_saved_page(written(tmp_path / "a", "audit.json", audit.to_json()))
    assert 'empty answers</th><td class="n">2</td>' in page.read_text()


def test_what_has_no_page_is_named(tmp_path: Path) -> None:
    for name, verb in (
        ("export.json", "export"),
        ("derive.json", "derive"),
        ("route.json", "route"),
    ):
        folder = written(tmp_path / verb, name, {})
        with pytest.raises(CurateError, match=f"a folder of 'curate {verb}', which has no page"):
            write_saved_page(folder)
    with pytest.raises(CurateError, match="none of their files"):
        write_saved_page(tmp_path)
    with pytest.raises(CurateError, match="no such folder"):
        write_saved_page(tmp_path / "missing")
    both = written(written(tmp_path / "both", "bench.json", {}), "worth.json", {})
    with pytest.raises(CurateError, match=r"bench\.json and worth\.json"):
        write_saved_page(both)
    for content in ("[]", "{", '{"errors": 3}', '{"advice": 3}'):
        (tmp_path / "bad.json").write_text(content)
        with pytest.raises(CurateError, match="no findings that have a page"):
            write_saved_page(tmp_path / "bad.json")


def test_command(tmp_path: Path) -> None:
    folder = written(tmp_path / "b", "bench.json", saved_bench())
    done = CliRunner().invoke(app, ["report", str(folder)])
    assert done.exit_code == 0, done.output
    assert "bench.html" in done.output
    other = str(tmp_path / "other.html")
    assert CliRunner().invoke(app, ["report", str(folder), "-o", other]).exit_code == 0


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_in_a_browser(page: Any, axe: str, tmp_path: Path, width: int, scheme: str) -> None:
    law = PowerLaw(0.1, 1.0, 0.5, np.array([1.0, 3.0]))
    folders = [
        written(tmp_path / "w", "worth.json", saved_worth(law).to_json()),
        written(tmp_path / "b", "bench.json", saved_bench()),
    ]
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    for folder in folders:
        page.goto(write_saved_page(folder).as_uri())
        page.wait_for_selector("html[data-ready]")
        page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        overlaps = page.evaluate(
            """[...document.querySelectorAll('.chart')].map((chart) => [
              chart.querySelector('svg').getBoundingClientRect().bottom,
              chart.nextElementSibling.getBoundingClientRect().top])"""
        )
        assert overlaps
        assert all(plot <= text + 1 for plot, text in overlaps)
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wide) <= 1
        assert axe_findings(page, axe) == []
        assert page.errors == []
