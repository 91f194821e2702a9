"""What a pipeline may do only if the user says so outside its file: a file may be somebody else's.

A pipeline.yaml names endpoints, environment variables and models. By itself it must not send a key
to a server of its choice, nor run code that a model's folder brings.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from curate.errors import CurateError
from curate.option_names import is_command_line
from curate.steps.key_use import KeyUse

if TYPE_CHECKING:
    from curate.steps.contracts import Step

HOSTS_VARIABLE = "CURATE_ALLOW_HOSTS"
"""Environment variable with hosts, separated by commas, that keys may go to."""
_HOST_OF_KEY = {
    "OPENAI_API_KEY": "api.openai.com",
    "ANTHROPIC_API_KEY": "api.anthropic.com",
    "DEEPSEEK_API_KEY": "api.deepseek.com",
    "FIREWORKS_API_KEY": "api.fireworks.ai",
    "GROQ_API_KEY": "api.groq.com",
    "MISTRAL_API_KEY": "api.mistral.ai",
    "OPENROUTER_API_KEY": "openrouter.ai",
    "TOGETHER_API_KEY": "api.together.xyz",
}
# By name only those that every system resolves to itself; no name is looked up, since DNS can lie.
_LOCAL_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost")


@dataclass(frozen=True)
class Permissions:
    """What the user allows a pipeline beyond its file.

    Attributes:
        hosts: servers to which keys may be sent, beside this machine and the host of each key.
        remote_code: whether models may run code that they bring (`trust_remote_code`).
    """

    hosts: frozenset[str] = frozenset()
    remote_code: bool = False

    @classmethod
    def for_hosts(cls, hosts: Iterable[str] = (), remote_code: bool = False) -> Permissions:
        """Return permissions for hosts (names or URLs) and those of $CURATE_ALLOW_HOSTS."""
        named = (*hosts, *os.environ.get(HOSTS_VARIABLE, "").split(","))
        return cls(frozenset(host_of(name) for name in named if name.strip()), remote_code)

    def check(self, name: str, step: Step[Any]) -> None:
        """Refuse a step that would do more than is allowed.

        Raises:
            CurateError: it would send a key to a host that nobody allowed, or run a model's code.
        """
        for use in step.params.key_uses():
            if self._may_send(use):
                continue
            raise CurateError(
                "the pipeline would send a key to a server that you did not allow",
                where=f"step '{name}'",
                found=f"${use.variable} to {use.host}",
                expected="this machine, the service of the key by https, or an allowed host",
                fix=f"if you trust {use.host} with this key: {_host_option(use.host)}, or export "
                f"{HOSTS_VARIABLE}={use.host}",
            )
        # Searched in the JSON, since a step may hold models at any depth.
        if not self.remote_code and '"trust_remote_code":true' in step.params.model_dump_json():
            raise CurateError(
                "the pipeline would run code shipped with a model",
                where=f"step '{name}'",
                found="trust_remote_code: true",
                fix=f"review the code; if you trust it, use {_code_option()}",
            )

    def _may_send(self, use: KeyUse) -> bool:
        host = use.host.lower()
        # Without encryption anybody on the way could read the key.
        is_service_of_key = _HOST_OF_KEY.get(use.variable) == host and use.is_encrypted
        return host in self.hosts or is_service_of_key or _is_this_machine(host)


def _host_option(host: str) -> str:
    """Return how a caller allows a host."""
    if is_command_line():
        return f"--allow-host {host}"
    return f"Pipeline(..., permissions=Permissions.for_hosts(['{host}']))"


def _code_option() -> str:
    """Return how a caller allows code that is shipped with a model."""
    if is_command_line():
        return "--trust-remote-code"
    return "Pipeline(..., permissions=Permissions(remote_code=True))"


def host_of(url: str) -> str:
    """Return the host of a URL, or a bare host without its port, in lower case."""
    text = url.strip()
    # Without "//" urlsplit takes a bare host for a path.
    return (urlsplit(text if "//" in text else f"//{text}").hostname or "").lower()


def _is_this_machine(host: str) -> bool:
    if host in _LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
