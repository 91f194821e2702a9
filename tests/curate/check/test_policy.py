"""A dataset is tested as code is: rules, exit code, and files that other tools read."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from curate import CurateError
from curate.check.policy import RuleResult, apply_policy, load_policy
from curate.cli.app import app
from tests.helpers import write_jsonl
from tests.models import tiny_tokenizer

FINDINGS = {
    "pairs": 200,
    "problems": {"no user's turn": 3, "tie": 0},
    "data": {"pairs": 200, "exact_repeats": 6},
    "traits": [{"trait": "length", "share": 0.8}, {"trait": "bold", "share": None}],
    "by_source": [{"name": "v1.2", "agreement": {"share": 0.6}}],
    "noise": None,
    "format": "trl",
}


def results_of(tmp_path: Path, text: str) -> list[RuleResult]:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    return apply_policy(load_policy(path), {"audit": FINDINGS})


@pytest.mark.parametrize(
    ("rule", "passed"),
    [
        ("data.exact_repeats: {max: 6}", True),
        ("data.exact_repeats: {max: 5}", False),
        ("data.exact_repeats: {max_share: 0.03}", True),
        ("data.exact_repeats: {max_share: 0.02}", False),
        ("data.exact_repeats: {min: 7}", False),
        ("problems.no user's turn: {max: 3}", True),
        ("traits.length.share: {min: 0.4, max: 0.6}", False),
        ("by_source.v1.2.agreement.share: {min: 0.55}", True),
        # What was not measured is not known to be within limits.
        ("traits.bold.share: {max: 1}", False),
        ("noise.estimate.high: {max: 1}", False),
    ],
)
def test_a_rule_is_kept_or_broken(tmp_path: Path, rule: str, passed: bool) -> None:
    (result,) = results_of(
        tmp_path, f"audit: {{{rule}}}" if ": {" not in rule else f"audit:\n  {rule}\n"
    )
    assert result.passed is passed
    assert result.text.startswith(f"audit.{rule.partition(': ')[0]} is ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("audit: {data.exact_repeat: {max: 1}}", "exact_repeats"),
        ("audit: {format: {max: 1}}", "names no number"),
        ("audit: {data: {max: 1}}", "names no number"),
        ("audit: {data.pairs: {}}", "give min, max or max_share"),
        ("audit: {data.pairs: {most: 1}}", "line 1, column"),
        ("audits: {data.pairs: {max: 1}}", "wrong policy"),
        ("{}", "no rule"),
        ("- 1", "wrong policy"),
    ],
)
def test_a_wrong_policy_is_the_users_mistake(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(CurateError, match=expected):
        results_of(tmp_path, text)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": f"{n}?", "chosen": f"{n}", "rejected": "?"} for n in range(40)]
    write_jsonl(tmp_path / "new.jsonl", rows)
    write_jsonl(tmp_path / "old.jsonl", [*rows[5:], rows[39]])
    return tmp_path


def run_check(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["check", "new.jsonl", *words])
    return result.exit_code, result.output + str(result.exception)


def test_audit_check_and_diff_are_measured_and_written(folder: Path) -> None:
    tiny_tokenizer(folder / "model")
    (folder / "policy.yaml").write_text(
        "audit:\n  data.exact_repeats: {max: 0}\n  data.pairs: {min: 1000}\n"
        "check: {problems.tie: {max: 0}}\n"
        "diff: {removed: {max: 0}, added: {max_share: 0.1}}\n"
    )
    options = ["--policy", "policy.yaml", "--old", "old.jsonl", "--model", "model"]
    code, output = run_check(*options, "--junit", "out.xml", "--sarif", "out.sarif")
    assert code == 3
    assert "broken: audit.data.pairs is 40; the policy allows at least 1000" in output
    assert "broken: diff.added is 5; the policy allows at most 10.00% of the pairs" in output
    assert "3 of 5 rules of the policy are kept" in output
    suite = ET.parse(folder / "out.xml").getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("5", "2")
    broken = [case.get("name") for case in suite if case.find("failure") is not None]
    assert broken == ["data.pairs", "added"]
    log = json.loads((folder / "out.sarif").read_text())["runs"][0]
    assert [entry["level"] for entry in log["results"]] == [
        "none",
        "error",
        "none",
        "none",
        "error",
    ]
    assert {rule["id"] for rule in log["tool"]["driver"]["rules"]} == {
        entry["ruleId"] for entry in log["results"]
    }


def test_a_policy_that_is_kept_exits_with_0(folder: Path) -> None:
    (folder / "policy.yaml").write_text("diff: {relabelled: {max: 0}}\n")
    code, output = run_check("--policy", "policy.yaml", "--old", "old.jsonl", "--json")
    assert code == 0
    assert json.loads(output.removesuffix("None"))["rules"][0]["passed"]


@pytest.mark.parametrize(
    ("policy", "words", "expected"),
    [
        ("diff: {removed: {max: 0}}", ["--policy", "policy.yaml"], "need --old"),
        ("check: {longest: {max: 9}}", ["--policy", "policy.yaml"], "need --model"),
        ("diff: {removed: {max: 0}}", ["--policy", "policy.yaml", "--fix", "x"], "fixes nothing"),
        ("", ["--junit", "x.xml"], "needs --policy"),
        ("", [], "give --model"),
        ("", ["--policy", "nowhere.yaml"], "cannot be read"),
    ],
)
def test_options_that_are_missing_are_named(
    folder: Path, policy: str, words: list[str], expected: str
) -> None:
    (folder / "policy.yaml").write_text(policy)
    assert expected in run_check(*words)[1]
