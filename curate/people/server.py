"""The application of `curate review`: one reviewer, one page."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import threading
from collections.abc import Sequence
from hashlib import blake2b
from typing import Protocol

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from curate.data.json_text import replace_lone_surrogates
from curate.data.json_types import JsonObject
from curate.errors import CurateError
from curate.people.queue import ReviewQueue
from curate.people.review_request import ReviewRequest, Work
from curate.people.verdict_log import VerdictLog
from curate.report.page import read_asset
from curate.report.run_view import RunView

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_STATIC = {
    "style.css": "text/css",
    "review.css": "text/css",
    "review.js": "text/javascript",
    "blind.js": "text/javascript",
    "requests.js": "text/javascript",
}
"""Files that the pages may ask for, and their kinds."""

# A verdict with its comment; a larger body is no verdict.
_BODY_BYTES = 256 * 1024
_BODY_SECONDS = 10.0
_POSITION = re.compile(r"-?[0-9]{1,12}")


class _TooLargeError(Exception):
    """A body that is larger than any verdict."""


class ReviewPage(Protocol):
    """A review that can be served.

    Attributes:
        page: file of its page.
        actions: what the page may ask for, by name: a function of the request's body.
        log: where verdicts go.
    """

    page: str
    actions: dict[str, Work]
    log: VerdictLog

    @property
    def done(self) -> int:
        """Return pairs of this review that have a verdict."""


class ReviewSession:
    """State of an open review: the queue and the verdicts.

    Args:
        view: the run.
        log: where verdicts go.
        next_commands: what to do once pairs are reviewed.
    """

    page = "review.html"

    def __init__(self, view: RunView, log: VerdictLog, next_commands: Sequence[str] = ()) -> None:
        self.view, self.log = view, log
        self._next_commands = list(next_commands)
        self.queue = ReviewQueue(view)
        self.actions: dict[str, Work] = {
            "state": lambda request: self.state(request.at),
            "verdict": lambda r: self.judge(r.pair_id, r.verdict, r.note, r.before),
            "undo": lambda _: self.undo(),
            "arrange": lambda r: self.arrange(r.descending, r.sort, r.fate, r.search),
        }

    @property
    def done(self) -> int:
        """Return pairs in the queue that have a verdict."""
        return sum(pair_id in self.queue.place for pair_id in self.log.verdicts)

    def state(self, at: int | None) -> JsonObject:
        """Return progress, settings, and the pair at a position (None: the next open one)."""
        queue, verdicts = self.queue, self.log.verdicts
        if at is None:
            at = queue.next_open(0, verdicts)
        pair = queue.pair(at) if at is not None and 0 <= at < len(queue) else None
        return {
            "reviewer": self.log.reviewer,
            "total": len(queue),
            "done": self.done,
            "sort": queue.sort,
            "descending": queue.descending,
            "fate": queue.fate,
            "search": queue.search,
            "columns": self.view.numeric,
            "next": self._next_commands,
            "pair": pair,
            "verdict": verdicts.get(queue.id_at(at)) if pair and at is not None else None,
        }

    def judge(self, pair_id: str, verdict: str, note: str, before: str | None = None) -> JsonObject:
        """Keep the verdict, then show the next pair without one."""
        if pair_id not in self.queue.place:
            raise CurateError("no such pair in the queue", found=repr(pair_id))
        at = self.queue.place[pair_id]
        self.log.check_before(before, self.log.verdicts.get(pair_id, ""))
        self.log.add(pair_id, verdict, note, self.queue.hashes(at))
        return self._after(self.queue.next_open(at + 1, self.log.verdicts))

    def arrange(self, descending: bool | None, sort: str, fate: str, search: str) -> JsonObject:
        """Sort and filter the queue, and return the state at the first open pair."""
        self.queue.arrange(sort, descending, fate, search)
        return self.state(None)

    def undo(self) -> JsonObject:
        """Take the last verdict back and show its pair."""
        pair_id = self.log.undo()
        return self._after(self.queue.place.get(pair_id) if pair_id else None)

    def _after(self, at: int | None) -> JsonObject:
        return self.state(at if at is not None else -1)


class _ReviewPages:
    """The addresses of the application.

    The page needs the token in its address, and stores it as a cookie for all other requests.
    Cookies are shared by all ports of a host, so each review has its own cookie name. The token is
    checked before anything else of a request is read.
    """

    def __init__(self, review: ReviewPage, token: str) -> None:
        self._review, self._token = review, token
        self._cookie = f"curate-review-{blake2b(token.encode(), digest_size=6).hexdigest()}"
        # Verdicts of several windows come at the same time; the queue and the log are one.
        self._lock = threading.Lock()

    async def page(self, request: Request) -> Response:
        if self._is_foreign(request) or not self._is_token(request.query_params.get("token", "")):
            return _error_response()
        _mark_trusted(request)
        response = HTMLResponse(read_asset(self._review.page), headers=_HEADERS)
        response.set_cookie(self._cookie, self._token, httponly=True, samesite="strict")
        return response

    async def static(self, request: Request) -> Response:
        if self._is_foreign(request):
            return _error_response()
        name = request.path_params["name"]
        if name not in _STATIC:
            return PlainTextResponse("no such file", status_code=404, headers=_HEADERS)
        return Response(read_asset(name), media_type=_STATIC[name], headers=_HEADERS)

    async def action(self, request: Request) -> Response:
        """Return the result of an action as JSON; 403 without token or from a foreign page, 400 for
        a mistake, 413 for a body that no verdict has, 408 for one that does not come.
        """
        try:
            is_known = self._is_token(request.cookies.get(self._cookie, ""))
        except ValueError:  # a cookie that is none
            is_known = False
        if not is_known or self._is_foreign(request):
            return _error_response()
        _mark_trusted(request)
        work = self._review.actions[request.url.path.rpartition("/")[2]]
        try:
            body = await asyncio.wait_for(_body(request), _BODY_SECONDS)
            arguments = _checked_request(body, request.query_params.get("at"))
            result = await run_in_threadpool(self._locked, work, arguments)
            return JSONResponse(result, headers=_HEADERS)
        except CurateError as error:
            return _unexpected_error_response(error.text(), 400)
        except _TooLargeError:
            return _unexpected_error_response(f"a body of at most {_BODY_BYTES} bytes", 413)
        except TimeoutError:
            return _unexpected_error_response("the request body did not arrive in time", 408)

    def _is_token(self, token: str) -> bool:
        # In constant time: a plain comparison shows how many characters are right.
        return secrets.compare_digest(token.encode("utf-8", "replace"), self._token.encode())

    def _is_foreign(self, request: Request) -> bool:
        """Return whether another page sent the request, or to another host (DNS rebinding)."""
        origin = request.headers.get("origin")
        host = request.headers.get("host", "")
        # The header itself: the URL of a request with an empty one names the server.
        name = host.rpartition(":")[0] or host
        if name not in ("127.0.0.1", "localhost", "testserver"):
            return True
        return origin is not None and origin.partition("://")[2] != host

    def _locked(self, work: Work, request: ReviewRequest) -> JsonObject:
        with self._lock:
            return work(request)


def make_app(review: ReviewPage, token: str) -> Starlette:
    """Return the web app of one review; requests without the token are refused."""
    pages = _ReviewPages(review, token)
    actions = (
        Route(f"/api/{name}", pages.action, methods=["GET" if name == "state" else "POST"])
        for name in review.actions
    )
    return Starlette(
        routes=[Route("/", pages.page), Route("/static/{name}", pages.static), *actions]
    )


def _mark_trusted(request: Request) -> None:
    """Note for the server that the connection carried the token."""
    connection = request.scope.get("state", {}).get("connection")
    if connection is not None:
        connection.has_token = True


def _error_response() -> Response:
    return PlainTextResponse(
        "Open the address that 'curate review' printed.", status_code=403, headers=_HEADERS
    )


def _unexpected_error_response(text: str, code: int) -> Response:
    return JSONResponse({"error": text}, status_code=code, headers=_HEADERS)


async def _body(request: Request) -> JsonObject:
    """Return the JSON object of the body, {} if empty; the size is bounded."""
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > _BODY_BYTES:
            raise _TooLargeError
    if not data.strip():
        return {}
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CurateError("the body is not JSON", found=str(error)[:100]) from None
    if not isinstance(body, dict):
        raise CurateError("the body is not an object", found=type(body).__name__)
    return body


def _checked_request(body: JsonObject, at: str | None) -> ReviewRequest:
    """Return the checked arguments of an action."""
    descending = body.get("descending")
    return ReviewRequest(
        _text_argument(body, "pair_id"),
        _text_argument(body, "verdict"),
        _text_argument(body, "note"),
        _text_argument(body, "before") if "before" in body else None,
        None if at is None else _position_argument(at),
        _text_argument(body, "sort"),
        descending if isinstance(descending, bool) else None,
        _text_argument(body, "fate", "all"),
        _text_argument(body, "search"),
    )


def _text_argument(body: JsonObject, key: str, default: str = "") -> str:
    value = body.get(key, default)
    if not isinstance(value, str):
        raise CurateError("wrong value", where=key, found=repr(value)[:80], expected="a text")
    return replace_lone_surrogates(value)


def _position_argument(text: str) -> int:
    if not _POSITION.fullmatch(text):
        raise CurateError("wrong position", where="at", found=repr(text[:40]), expected="a number")
    return int(text)
