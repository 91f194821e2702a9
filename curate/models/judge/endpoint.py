"""One OpenAI-compatible endpoint: its settings, and one question at a time."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from curate.errors import CurateError
from curate.optional_packages import need
from curate.steps.contracts import Parameters

if TYPE_CHECKING:
    from openai import OpenAI

Messages = list[dict[str, str]]
OK, BUDGET = "ok", "budget"
_CHARACTERS_A_TOKEN = 4
_URL_VARIABLE = "OPENAI_BASE_URL"


class EndpointParams(Parameters):
    """Parameters of every scorer that asks an endpoint."""

    model: str = Field(description="Name of the model at the endpoint.")
    base_url: str | None = Field(
        None, description=f"Of the endpoint, such as http://localhost:8000/v1; ${_URL_VARIABLE}."
    )
    api_key_env: str = Field(
        "OPENAI_API_KEY", description="Environment variable that holds the key, if one is needed."
    )
    temperature: float | None = Field(0.0, ge=0, description="null: the server's own.")
    reply_tokens: int | None = Field(
        512, ge=1, description="Longest reply (max_tokens); null: the server's own."
    )
    request: dict[str, Any] = Field(
        default_factory=dict, description="Further fields of the request's body."
    )
    concurrency: int = Field(8, ge=1, description="Questions under way at a time.")
    retries: int = Field(
        5, ge=0, description="Of a question that met a full or failing server, with back-off."
    )
    timeout: float = Field(120.0, gt=0, description="Seconds for one reply.")
    price_in: float = Field(0.0, ge=0, description="Of a million tokens asked, in your currency.")
    price_out: float = Field(0.0, ge=0, description="Of a million tokens replied.")
    budget_cost: float | None = Field(
        None, gt=0, description="Ask nothing more once a run has cost this much."
    )
    budget_tokens: int | None = Field(
        None, gt=0, description="Ask nothing more once a run has used this many tokens."
    )

    def url(self) -> str | None:
        """The endpoint's address; None is OpenAI's own."""
        return self.base_url or os.environ.get(_URL_VARIABLE)

    def identity(self) -> str:
        """What a reply depends on besides the question."""
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

    Raises:
        CurateError: there is no client library, or no key where one is needed.
    """

    def __init__(self, params: EndpointParams) -> None:
        need("openai", "judge", f"endpoint of the model '{params.model}'")
        self.params = params
        self._client = self._connect()

    def _connect(self) -> OpenAI:
        from openai import OpenAI

        p = self.params
        key = os.environ.get(p.api_key_env)
        if not key and p.url() is None:
            raise CurateError(
                "no endpoint is named, and there is no key for OpenAI's",
                where=f"model '{p.model}'",
                found=f"neither base_url nor ${_URL_VARIABLE} nor ${p.api_key_env}",
                fix=f"set base_url (a local server), or export {p.api_key_env}=...",
            )
        # Local servers want no key, but the client wants some text.
        return OpenAI(
            base_url=p.url(),
            api_key=key or "none",
            max_retries=p.retries,
            timeout=p.timeout,
        )

    def ask(self, question: Messages) -> Reply:
        """One reply; what cannot be answered comes back as a status.

        Raises:
            CurateError: the key or the model is refused, which no other question would change.
        """
        import openai

        try:
            return self._reply(question)
        except (
            openai.AuthenticationError,
            openai.PermissionDeniedError,
            openai.NotFoundError,
        ) as error:
            raise CurateError(
                "the endpoint refuses",
                where=self.place,
                found=_line(error),
                fix=f"check model, base_url and the key in ${self.params.api_key_env}",
            ) from None
        except (
            openai.APIConnectionError,
            openai.RateLimitError,
            openai.InternalServerError,
        ) as error:
            return Reply(None, f"failed: {_line(error)}", passing=True)
        except openai.OpenAIError as error:
            return Reply(None, f"refused: {_line(error)}")

    @property
    def place(self) -> str:
        """Model and address, for errors."""
        return f"{self.params.model} at {self._client.base_url}"

    def _reply(self, question: Messages) -> Reply:
        p = self.params
        body: dict[str, Any] = {"model": p.model, "messages": question}
        if p.temperature is not None:
            body["temperature"] = p.temperature
        if p.reply_tokens is not None:
            body["max_tokens"] = p.reply_tokens
        found = self._client.chat.completions.create(**body, extra_body=p.request or None)
        text = (found.choices[0].message.content or "") if found.choices else ""
        if found.usage is not None:
            return Reply(text, OK, found.usage.prompt_tokens, found.usage.completion_tokens)
        asked = sum(len(message["content"]) for message in question)
        sizes = (asked // _CHARACTERS_A_TOKEN, len(text) // _CHARACTERS_A_TOKEN)
        return Reply(text, OK, *sizes, estimated=True)


def _line(error: Exception) -> str:
    """The error in one line of bounded length."""
    return " ".join(str(error).split())[:200]
