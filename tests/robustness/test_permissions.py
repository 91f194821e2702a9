"""A pipeline.yaml of somebody else sends no key and runs no code by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from curate import CurateError, Pipeline
from curate.cli.app import app
from curate.steps.permissions import HOSTS_VARIABLE, Permissions, host_of
from tests.helpers import trl_rows, write_jsonl

JUDGE = {"type": "judge", "model": "m"}
EVIL = "http://evil.example/v1"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.setenv("MY_AWS_SECRET", "aws-1")
    for name in ("OPENAI_BASE_URL", HOSTS_VARIABLE, "ABSENT_KEY"):
        monkeypatch.delenv(name, raising=False)


def check(permissions: Permissions | None = None, **settings: Any) -> None:
    Pipeline({"scorers": [JUDGE | settings]}, permissions=permissions).check_permissions()


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": EVIL},
        {"base_url": EVIL, "api_key_env": "MY_AWS_SECRET"},
        {"api_key_env": "MY_AWS_SECRET"},
        {"base_url": "https://api.openai.com/v1", "api_key_env": "MY_AWS_SECRET"},
        {"base_url": "https://api.openai.com.evil.example/v1"},
        {"base_url": "https://api.openai.com@evil.example/v1"},
        {"base_url": "http://127.0.0.1.evil.example/v1"},
        {"base_url": "http://localhost.evil.example/v1"},
        {"base_url": "http://10.0.0.7/v1"},
        {"base_url": "http://api.openai.com/v1"},
        {"base_url": "HTTP://API.OPENAI.COM/v1"},
        {"base_url": "https:/evil.example//api.openai.com"},
        {"base_url": "https://api.openai.com\\@evil.example/v1"},
        {"base_url": "https://evil.example#@api.openai.com"},
        {"base_url": "https://evil.example?api.openai.com"},
        {"base_url": "https://api.openai.com.", "api_key_env": "MY_AWS_SECRET"},
        {"base_url": "http://[::ffff:10.0.0.7]/v1"},
        {"base_url": "http://0x7f000001.evil.example/v1"},
        {"base_url": "//evil.example"},
    ],
)
def test_keys_go_to_no_host_that_the_file_alone_names(settings: dict[str, Any]) -> None:
    with pytest.raises(CurateError, match="would send a key") as caught:
        check(**settings)
    assert "Permissions.for_hosts" in str(caught.value)
    for secret in ("sk-1", "aws-1"):
        assert secret not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"base_url": "https://api.openai.com/v1"},
        {"base_url": "http://localhost:8000/v1"},
        {"base_url": "http://127.0.0.1:8000/v1"},
        {"base_url": "http://[::1]:8000/v1"},
        {"base_url": EVIL, "api_key_env": "ABSENT_KEY"},
    ],
)
def test_this_machine_and_the_service_of_a_key_need_no_permission(settings: dict[str, Any]) -> None:
    check(**settings)


def test_hosts_are_allowed_outside_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    check(Permissions.for_hosts(["https://Evil.example:443/x"]), base_url=EVIL)
    monkeypatch.setenv(HOSTS_VARIABLE, "a.example, evil.example")
    check(base_url=EVIL)
    monkeypatch.delenv(HOSTS_VARIABLE)
    # The address in the environment is the user's own choice, but for this key alone.
    monkeypatch.setenv("OPENAI_BASE_URL", EVIL)
    check()
    check(base_url=EVIL)
    with pytest.raises(CurateError, match="MY_AWS_SECRET"):
        check(api_key_env="MY_AWS_SECRET")


def test_hosts_by_name_and_by_address() -> None:
    assert host_of("https://User:p@Host.Example:8000/v1?x=1") == "host.example"
    assert host_of("host.example:8000") == "host.example"
    assert host_of("[::1]:8000") == "::1"


_MODEL = {"name": "m", "trust_remote_code": True}
CODE: dict[str, Any] = {"type": "reward_model", "models": [_MODEL]}
NESTED = {
    "type": "self_confidence",
    "policy": {"name": "m", "trust_remote_code": True},
    "reference": "b",
}


@pytest.mark.parametrize("step", [CODE, NESTED], ids=lambda step: step["type"])
def test_code_of_a_model_needs_a_permission(step: dict[str, Any]) -> None:
    with pytest.raises(CurateError, match="code shipped with a model") as caught:
        Pipeline({"scorers": [step]}).check_permissions()
    assert "Permissions(remote_code=True)" in str(caught.value)
    Pipeline({"scorers": [step]}, permissions=Permissions(remote_code=True)).check_permissions()


@pytest.mark.parametrize("step", [JUDGE | {"base_url": EVIL}, CODE])
@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_the_command_refuses_before_it_reads(
    step: dict[str, Any], dry: list[str], tmp_path: Path
) -> None:
    config = {"input": {"path": str(tmp_path / "not-there.jsonl")}, "scorers": [step]}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(config))
    error = CliRunner().invoke(app, ["run", str(tmp_path / "p.yaml"), *dry]).exception
    assert isinstance(error, CurateError)
    assert error.problem.startswith("the pipeline would")
    allowed = ["--allow-host", "evil.example", "--trust-remote-code"]
    error = CliRunner().invoke(app, ["run", str(tmp_path / "p.yaml"), *dry, *allowed]).exception
    assert "not-there" in str(error)


def test_a_run_from_python_is_refused_too(tmp_path: Path) -> None:
    data = write_jsonl(tmp_path / "a.jsonl", trl_rows(3))
    with pytest.raises(CurateError, match="would send a key"):
        Pipeline({"scorers": [JUDGE | {"base_url": EVIL}]}).run(str(data))
