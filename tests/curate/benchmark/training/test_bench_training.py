"""A bench by a function and by a command: files, resumption, budget, errors and advice."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import polars as pl
import pytest

from curate import CurateError, read_pairs
from curate.benchmark.run import KEEP_ALL
from curate.benchmark.training.bench_training import TrainingOptions, bench_training
from curate.benchmark.training.trainer import TrainingCommand, TrainingJob
from curate.benchmark.training.variants import VariantFormat

PIPELINE = """\
input: {path: elsewhere.jsonl}
filters: [{type: expression, drop: "`extra.bad` == 1"}]
output: {path: out}
"""
TRAIN = """\
import json, pathlib, sys
import polars as pl
data, seed, out, held_out = sys.argv[1:]
rows = pl.read_parquet(f"{data}/*.parquet")
bad = rows["chosen"].list.last().struct.field("content").str.contains("bad").mean()
print("trained on", len(rows), "rows")
if int(seed) == 99:
    raise SystemExit("no memory")
tested = len(pl.read_parquet(f"{held_out}/*.parquet")) if held_out != "none" else 0
metrics = {"accuracy": 0.9 - 0.3 * bad + 0.001 * (int(seed) * 7 % 5), "tested": tested}
pathlib.Path(out, "eval.json").write_text(json.dumps({"test": metrics}))
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> str:
    path = tmp_path / "without bad.yaml"
    path.write_text(PIPELINE)
    return str(path)


def rows(count: int = 60) -> list[dict[str, str]]:
    """A third of the pairs prefers the bad answer."""
    return [
        {
            "prompt": f"Question {n}?",
            "chosen": f"{'bad' if n % 3 == 0 else 'good'} answer {n}",
            "rejected": f"other answer {n}",
            "bad": str(int(n % 3 == 0)),
        }
        for n in range(count)
    ]


def accuracy(job: TrainingJob) -> float:
    """What a trainer reaches: wrong labels cost, and so does luck."""
    shard = pl.read_parquet(f"{job.data}/*.parquet")
    bad = shard["chosen"].list.last().struct.field("content").str.contains("bad").mean()
    assert isinstance(bad, float)
    luck = {KEEP_ALL: 3, "without bad": 5}.get(job.variant, 7) * (job.seed + 1) % 4
    return 0.9 - 0.3 * bad + 0.002 * luck


def test_a_function_decides_and_a_finished_training_is_not_repeated(
    tmp_path: Path, pipeline: str
) -> None:
    jobs: list[TrainingJob] = []

    def train(job: TrainingJob) -> float:
        jobs.append(job)
        if len(jobs) == 5:
            raise KeyboardInterrupt
        return accuracy(job)

    options = TrainingOptions(variants=(pipeline, "drop 20 %"), seeds=4)
    with pytest.raises(KeyboardInterrupt):
        bench_training(rows(), train, tmp_path / "bench", options)
    report = bench_training(rows(), train, tmp_path / "bench", options)
    tasks = [(job.variant, job.seed) for job in jobs]
    assert len(tasks) == len(set(tasks)) + 1 == len(report.runs) + 1
    assert report.advice == "without bad"
    assert "expression" in report.lines
    assert report.is_complete
    assert "gains +0.1" in report.sentences[0]
    by_name = {gain.variant: gain for gain in report.gains}
    assert by_name["drop 20 %"].seeds < 4 == by_name["without bad"].seeds
    written = json.loads((tmp_path / "bench" / "training.json").read_text())
    assert written == report.to_json()


def test_a_command_is_run_with_its_placeholders_and_a_log(tmp_path: Path, pipeline: str) -> None:
    script = tmp_path / "train it.py"
    script.write_text(TRAIN)
    command = TrainingCommand(
        f'"{sys.executable}" "{script}" {{data}} {{seed}} {{out}} {{eval}}',
        "{out}/eval.json:test.accuracy",
    )
    assert command.needs_held_out
    options = TrainingOptions(variants=(pipeline,), seeds=3, gpus=("0", "1"), holds_out=True)
    report = bench_training(rows(), command, tmp_path / "bench", options)
    folder = tmp_path / "bench" / "runs" / "without-bad" / "seed-0"
    assert "trained on" in (folder / "log.txt").read_text()
    metrics = json.loads((folder / "out" / "eval.json").read_text())["test"]
    assert metrics["tested"] == 12
    assert report.gains[0].seeds == 3
    prompts = [
        pl.read_parquet(f"{tmp_path}/bench/data/{name}/kept/*.parquet")["prompt"].explode()
        for name in ("keep-all", "held-out")
    ]
    assert not set(map(str, prompts[0])) & set(map(str, prompts[1]))


def test_another_bench_in_the_folder_is_refused(tmp_path: Path, pipeline: str) -> None:
    options = TrainingOptions(variants=(pipeline,), seeds=3)
    bench_training(rows(), accuracy, tmp_path / "bench", options)
    with pytest.raises(CurateError, match="different: pairs"):
        bench_training(rows(30), accuracy, tmp_path / "bench", options)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("")
    with pytest.raises(CurateError, match="holds no bench"):
        bench_training(rows(), accuracy, tmp_path / "notes", options)


def test_hours_end_a_bench_that_goes_on_later(tmp_path: Path, pipeline: str) -> None:
    options = TrainingOptions(variants=(pipeline,), seeds=3, hours=0.0)
    report = bench_training(rows(), accuracy, tmp_path / "bench", options)
    assert (report.advice, report.is_complete, report.runs) == (None, False, ())
    assert "run the same command again" in report.sentences[0]
    report = bench_training(
        rows(), accuracy, tmp_path / "bench", TrainingOptions(variants=(pipeline,), seeds=3)
    )
    assert report.is_complete


def test_a_variant_that_changes_no_pair_is_not_trained(tmp_path: Path) -> None:
    path = tmp_path / "nothing.yaml"
    path.write_text("filters: [{type: ties}]\n")
    report = bench_training(
        rows(), accuracy, tmp_path / "bench", TrainingOptions(variants=(str(path),), seeds=3)
    )
    assert report.notes == ("'nothing' is not trained: its data is that of 'keep all'",)
    assert report.runs == ()
    assert report.sentences == ("Keep everything: no variant changes the pairs.",)


def test_the_advice_of_a_bench_by_probes_is_a_variant(tmp_path: Path) -> None:
    report = bench_training(rows(), accuracy, tmp_path / "bench", TrainingOptions(seeds=3))
    plan = json.loads((tmp_path / "bench" / "plan.json").read_text())
    assert plan["variants"]["advice"]["scorers"]
    assert report.is_complete


def test_a_training_that_fails_says_where_its_log_is(tmp_path: Path, pipeline: str) -> None:
    command = TrainingCommand(
        f'"{sys.executable}" -c "print({{seed}}, 1 / 0)" {{data}} {{out}}', "{out}/x.json:a"
    )
    options = TrainingOptions(variants=(pipeline,), seeds=3)
    with pytest.raises(CurateError, match="ZeroDivisionError") as error:
        bench_training(rows(), command, tmp_path / "bench", options)
    assert "log.txt" in str(error.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [(None, "cannot be read"), ("{}", "KeyError"), ('{"a": "1"}', "no number"), ("[", "JSON")],
)
def test_a_metric_that_is_no_number_is_an_error(
    tmp_path: Path, content: str | None, expected: str
) -> None:
    script = tmp_path / "t.py"
    script.write_text(
        f"import sys\ntext = {content!r}\nif text: open(sys.argv[1] + '/x.json', 'w').write(text)\n"
    )
    command = TrainingCommand(
        f"{sys.executable} {script} {{out}} {{data}} {{seed}}", "{out}/x.json:a"
    )
    job = TrainingJob("keep all", 0, tmp_path, None, tmp_path / "run" / "out")
    job.output.mkdir(parents=True)
    with pytest.raises(CurateError, match=expected):
        command(job)


@pytest.mark.parametrize(
    ("command", "metric", "expected"),
    [
        ("train {data} {out}", "{out}/a:b", "misses placeholders"),
        ("train {data} {out} {seed} {model}", "{out}/a:b", "unknown placeholder"),
        ("train {data} {out} {seed}", "accuracy", "wrong metric"),
        ("train {data} {out} {seed} {", "{out}/a:b", "cannot be read"),
        ("train '{data} {out} {seed}", "{out}/a:b", "cannot be read"),
    ],
)
def test_mistakes_in_the_command_are_found_before_anything_runs(
    command: str, metric: str, expected: str
) -> None:
    with pytest.raises(CurateError, match=expected):
        TrainingCommand(command, metric)


def test_unknown_and_repeated_variants_are_refused(tmp_path: Path, pipeline: str) -> None:
    pairs = read_pairs(rows())
    with pytest.raises(CurateError, match="signed_weights"):
        bench_training(
            pairs, accuracy, tmp_path / "b", TrainingOptions(variants=("signed_weigts",))
        )
    with pytest.raises(CurateError, match="one name"):
        bench_training(pairs, accuracy, tmp_path / "b", TrainingOptions(variants=(pipeline,) * 2))
    options = TrainingOptions(variants=(pipeline,), form=VariantFormat("no such format"))
    with pytest.raises(CurateError, match="no such format"):
        bench_training(pairs, accuracy, tmp_path / "b", options)
