"""One OpenAI-compatible endpoint: its settings, and one question at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from curate.data.json_text import replace_lone_surrogates
from curate.errors import MASK, CurateError, mask_text
from curate.optional_packages import need
from curate.steps.contracts import Parameters
from curate.steps.key_use import KeyUse
from curate.steps.permissions import host_of

if TYPE_CHECKING:
    from openai import AsyncOpenAI

Messages = list[dict[str, str]]
OK, BUDGET = "ok", "budget"
UNREADABLE_REPLY = "unreadable reply"
TRUNCATED = "cut off at the longest reply: raise reply_tokens"
"""What such a reply says last is no verdict: it was about to go on."""
# A guess for servers that report no usage.
_CHARACTERS_A_TOKEN = 4
_MOST_TOKENS = 10_000_000
"""That a server may claim for one question."""
_URL_VARIABLE, _KEY_VARIABLE = "OPENAI_BASE_URL", "OPENAI_API_KEY"
_DEFAULT_URL = "https://api.openai.com/v1"


class EndpointParams(Parameters):
    """Parameters of every scorer that asks an endpoint."""

    model: str = Field(description="Name of the model at the endpoint.")
    base_url: str | None = Field(
        None, description=f"Of the endpoint, such as http://localhost:8000/v1; ${_URL_VARIABLE}."
    )
    api_key_env: str = Field(
        _KEY_VARIABLE, description="Environment variable that holds the key, if one is needed."
    )
    temperature: float | None = Field(0.0, ge=0, description="null: the server's own.")
    reply_tokens: int | None = Field(
        512, ge=1, description="Longest reply (max_tokens); null: the server's own."
    )
    request: dict[str, Any] = Field(
        default_factory=dict, description="Further fields of the request's body."
    )
    concurrency: int = Field(8, ge=1, le=1024, description="Questions under way at a time.")
    retries: int = Field(
        5,
        ge=0,
        le=100,
        description="Of a question that met a full or failing server.",
    )
    timeout: float = Field(
        120.0, gt=0, le=86_400, description="Seconds until one reply is there, from start to end."
    )
    price_in: float = Field(0.0, ge=0, description="Of a million tokens asked, in your currency.")
    price_out: float = Field(0.0, ge=0, description="Of a million tokens replied.")
    budget_cost: float | None = Field(
        None, gt=0, description="Ask nothing more once a run has cost this much."
    )
    budget_tokens: int | None = Field(
        None, gt=0, description="Ask nothing more once a run has used this many tokens."
    )

    def url(self) -> str | None:
        """Return the endpoint's address; None is OpenAI's own."""
        return self.base_url or os.environ.get(_URL_VARIABLE)

    def key_use(self) -> KeyUse | None:
        """Return the key and the host that gets it; none where the user's environment names the
        host."""
        if not os.environ.get(self.api_key_env) or self._is_users_own():
            return None
        url = self.url() or _DEFAULT_URL
        is_encrypted = url.strip().lower().startswith("https://")
        return KeyUse(host_of(url), self.api_key_env, is_encrypted)

    def _is_users_own(self) -> bool:
        """Return whether the endpoint is the one that the environment names, not the pipeline's
        choice."""
        users_url = os.environ.get(_URL_VARIABLE)
        same = users_url is not None and self.url() == users_url
        return same and self.api_key_env == _KEY_VARIABLE

    def identity(self) -> str:
        """Return what a reply depends on besides the question."""
        settings = (self.url(), self.model, self.temperature, self.reply_tokens, self.request)
        return json.dumps(settings, sort_keys=True)


@dataclass(frozen=True)
class Reply:
    """What came back.

    Attributes:
        text: the reply; None where there is none.
        status: `OK`, `BUDGET`, or what went wrong.
        tokens_in: tokens of the question.
        tokens_out: tokens of the reply.
        estimated: the server did not count, and the tokens are a quarter of the characters.
        passing: it may go well another time (the server was full or away).
    """

    text: str | None
    status: str = OK
    tokens_in: int = 0
    tokens_out: int = 0
    estimated: bool = False
    passing: bool = False


class Endpoint:
    """Asks; the library underneath waits and tries again when the server is full or failing.

    Args:
        params: of the endpoint.
        enough: whether a reply that was cut says all that is wanted; default never.

    Raises:
        CurateError: there is no client library, or no key where one is needed.
    """

    def __init__(
        self, params: EndpointParams, enough: Callable[[str], bool] = lambda _: False
    ) -> None:
        need("openai", "judge", f"endpoint of the model '{params.model}'")
        self.params, self._enough = params, enough
        self._key = os.environ.get(params.api_key_env) or ""
        self._client = self._connect()

    def _connect(self) -> AsyncOpenAI:
        from openai import AsyncOpenAI

        from curate.models.judge.transport import BoundedClient

        p = self.params
        if not self._key and p.url() is None:
            raise CurateError(
                "no endpoint is named, and there is no key for OpenAI's",
                where=f"model '{p.model}'",
                found=f"neither base_url nor ${_URL_VARIABLE} nor ${p.api_key_env}",
                fix=f"set base_url (a local server), or export {p.api_key_env}=...",
            )
        try:
            # Local servers want no key, but the client wants some text.
            return AsyncOpenAI(
                base_url=p.url(),
                api_key=self._key or "none",
                max_retries=p.retries,
                timeout=p.timeout,
                http_client=BoundedClient(p.timeout, p.concurrency),
            )
        except Exception as error:  # an address that is none
            raise CurateError(
                "the endpoint's address is wrong",
                where=f"model '{p.model}', base_url",
                found=self._safe_error_text(error),
                expected="such as http://localhost:8000/v1",
            ) from None

    async def close(self) -> None:
        """End all connections."""
        await self._client.close()

    async def ask(self, question: Messages) -> Reply:
        """Return one reply; what cannot be answered, or read, comes back as a status.

        Raises:
            CurateError: the key or the model is refused, which no other question would change.
        """
        import openai

        try:
            return await self._reply(question)
        except (
            openai.AuthenticationError,
            openai.PermissionDeniedError,
            openai.NotFoundError,
        ) as error:
            raise CurateError(
                "the endpoint refuses",
                where=self.place,
                found=self._safe_error_text(error),
                fix=f"check model, base_url and the key in ${self.params.api_key_env}",
            ) from None
        except (
            openai.APIConnectionError,
            openai.RateLimitError,
            openai.InternalServerError,
        ) as error:
            reason = error.__cause__ or error
            return Reply(None, f"failed: {self._safe_error_text(reason)}", passing=True)
        except openai.OpenAIError as error:
            return Reply(None, f"refused: {self._safe_error_text(error)}")
        except Exception as error:  # whatever a strange reply does to the client
            return Reply(None, f"{UNREADABLE_REPLY}: {self._safe_error_text(error)}")

    @property
    def place(self) -> str:
        """Return model and address, for errors."""
        return f"{self.params.model} at {mask_text(str(self._client.base_url))}"

    def _safe_error_text(self, error: BaseException) -> str:
        """Return the error in one line of bounded length, without the key that a server may
        echo."""
        text = " ".join(str(error).split()) or type(error).__name__
        return self._masked(replace_lone_surrogates(text))[:200]

    def _masked(self, text: str) -> str:
        if self._key:
            text = text.replace(self._key, MASK)
        return mask_text(text)

    async def _reply(self, question: Messages) -> Reply:
        p = self.params
        body: dict[str, object] = {"model": p.model, "messages": question}
        if p.temperature is not None:
            body["temperature"] = p.temperature
        if p.reply_tokens is not None:
            body["max_tokens"] = p.reply_tokens
        raw_completions = self._client.chat.completions.with_raw_response
        raw = await raw_completions.create(**body, extra_body=p.request or None)
        text, usage = read_reply(raw.http_response.content)
        text = text.replace(self._key, MASK) if self._key else text
        characters = sum(len(message["content"]) for message in question)
        sizes = usage or (characters // _CHARACTERS_A_TOKEN, len(text) // _CHARACTERS_A_TOKEN)
        if is_truncated_reply(raw.http_response.content) and not self._enough(text):
            # It has been paid for all the same.
            return Reply(None, TRUNCATED, *sizes, estimated=usage is None)
        return Reply(text, OK, *sizes, estimated=usage is None)


def is_truncated_reply(body: bytes) -> bool:
    """Return whether a reply that `read_reply` has read ended at the longest that was allowed."""
    reason: object = json.loads(body)["choices"][0].get("finish_reason")
    return reason == "length"


def read_reply(body: bytes) -> tuple[str, tuple[int, int] | None]:
    """Return the text of a reply, and tokens in and out where the server counted them.

    Args:
        body: JSON as the interface defines it; content may be a text or a list of parts.

    Raises:
        ValueError: it is something else.
    """
    try:
        parsed = json.loads(body)
        message = parsed["choices"][0]["message"]
        content = message["content"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        start = body[:60].decode("utf-8", "replace")
        raise ValueError(f"{type(error).__name__} in {start!r}") from None
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(text for text in texts if isinstance(text, str))
    if not isinstance(content, str) or not content.strip():
        raise ValueError(f"the content is {type(content).__name__ if content else 'empty'}")
    return replace_lone_surrogates(content), _token_counts(parsed.get("usage"))


def _token_counts(usage: object) -> tuple[int, int] | None:
    """Return tokens in and out, where both are counts."""
    counts = [usage.get(k) for k in _USAGE] if isinstance(usage, dict) else []
    valid_counts = [c for c in counts if type(c) is int and 0 <= c <= _MOST_TOKENS]
    return (valid_counts[0], valid_counts[1]) if len(valid_counts) == len(_USAGE) else None


_USAGE = ("prompt_tokens", "completion_tokens")
