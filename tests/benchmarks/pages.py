"""Time and size of a report, and what a key press costs in the review, by number of pairs.

python -m tests.benchmarks.pages [--rows 100000]
The run holds pairs recombined from the real texts of tests/data, with simulated held-out margins.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from starlette.testclient import TestClient

from curate import Pipeline
from curate.people.server import ReviewSession, make_app
from curate.people.verdict_log import VerdictLog
from curate.report.build import write_report
from curate.report.run_view import load_view
from curate.write.run_files import SCORES
from tests.benchmarks.export import recombined

_PRESSES = 300


def make_run(folder: Path, rows: int) -> Path:
    """A finished run whose scores hold margins and losses as heads would give them."""
    for number, part in enumerate(recombined(rows)):
        part.write_parquet(folder / f"part-{number:03d}.parquet")
    config = {
        "input": {"path": str(folder / "*.parquet")},
        "scorers": [{"type": "lengths"}],
        "filters": [{"type": "sample", "share": 0.8}],
        "output": {"report": False},
        "store": None,
    }
    run = folder / "run"
    Pipeline(config).run(output=run)
    scores = pl.read_parquet(run / SCORES)
    rng = np.random.default_rng(0)
    margin = rng.normal(1.0, 2.0, len(scores))
    scores = scores.with_columns(
        pl.Series("label_em.margin", margin),
        pl.Series("label_em.posterior", 1.0 / (1.0 + np.exp(-margin))),
        pl.Series("crm.loss_mean", np.log1p(np.exp(-margin))),
        pl.Series("crm.loss_variance", rng.gamma(2.0, 0.1, len(scores))),
    )
    scores.write_parquet(run / SCORES)
    return run


_PRESS = """async () => {
  const times = [], shown = () => document.documentElement.dataset.pair;
  for (let i = 0; i < 100; i++) {
    const before = shown(), started = performance.now();
    document.dispatchEvent(new KeyboardEvent("keydown", { key: "kftd"[i % 4] }));
    while (shown() === before) await new Promise((done) => setTimeout(done, 0));
    document.body.offsetHeight;
    times.push(performance.now() - started);
    await new Promise((done) => setTimeout(done, 5));
  }
  return times;
}"""


def in_browser(run: Path) -> list[float]:
    """Milliseconds from a key to the next pair on the page, in Chromium."""
    from playwright.sync_api import sync_playwright

    command = [sys.executable, "-m", "curate", "review", str(run), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = re.search(r"http://\S+", server.stdout.readline())
        assert address is not None
        with sync_playwright() as playwright:
            path = shutil.which("chromium")
            flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
            browser = playwright.chromium.launch(executable_path=path, args=flags)
            page = browser.new_page()
            page.goto(address.group())
            page.wait_for_selector("#pair:not([hidden])")
            times: list[float] = page.evaluate(_PRESS)
            browser.close()
        server.kill()
    return times


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as temporary:
        run = make_run(Path(temporary), rows)
        started = time.perf_counter()
        path = write_report(run)
        seconds = time.perf_counter() - started
        print(f"{rows:,} pairs: report in {seconds:.1f} s, {path.stat().st_size / 1e6:.1f} MB")
        client = TestClient(make_app(ReviewSession(load_view(run), VerdictLog(run, "me")), "t"))
        client.get("/?token=t")
        state = client.get("/api/state").json()
        times = []
        for press in range(_PRESSES):
            verdict = ("keep", "flip", "tie", "drop")[press % 4]
            started = time.perf_counter()
            body = {"pair_id": state["pair"]["id"], "verdict": verdict}
            state = client.post("/api/verdict", json=body).json()
            times.append((time.perf_counter() - started) * 1000)
        worst = np.quantile(times, 0.99)
        print(
            f"a verdict, on disk, and the next pair: median {statistics.median(times):.1f} ms, "
            f"99 % under {worst:.1f} ms ({state['total']:,} pairs in the queue)"
        )
        if shutil.which("chromium"):
            pressed = in_browser(run)
            print(
                f"in the browser, key to next pair: median {statistics.median(pressed):.0f} ms, "
                f"90 % under {np.quantile(pressed, 0.9):.0f} ms"
            )


if __name__ == "__main__":
    main()
