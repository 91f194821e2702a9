"""The local server of `curate review`: one reviewer, one page, one run."""

from __future__ import annotations

import secrets
from hashlib import blake2b
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from curate.errors import CurateError
from curate.people.queue import Queue
from curate.people.verdict_log import VerdictLog
from curate.report.build import asset
from curate.report.run_view import RunView

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_STATIC = {"style.css": "text/css", "review.css": "text/css", "review.js": "text/javascript"}
"""Files that the page may ask for, and their kinds."""


class Review:
    """State of a review: the queue and the verdicts.

    Args:
        view: the run.
        log: where verdicts go.
    """

    def __init__(self, view: RunView, log: VerdictLog) -> None:
        self.view, self.log = view, log
        self.queue = Queue(view)

    def state(self, at: int | None) -> dict[str, Any]:
        """Progress, settings, and the pair at a position; None: the next without a verdict."""
        queue, judged = self.queue, self.log.verdicts
        if at is None:
            at = queue.next_open(0, judged)
        done = sum(pair_id in queue.place for pair_id in judged)
        pair = queue.pair(at) if at is not None and 0 <= at < len(queue) else None
        return {
            "reviewer": self.log.reviewer,
            "total": len(queue),
            "done": done,
            "sort": queue.sort,
            "descending": queue.descending,
            "fate": queue.fate,
            "search": queue.search,
            "columns": self.view.numeric,
            "pair": pair,
            "verdict": judged.get(pair["id"]) if pair else None,
        }

    def judge(self, pair_id: str, verdict: str, note: str) -> dict[str, Any]:
        """Keep the verdict, then show the next pair without one."""
        if pair_id not in self.queue.place:
            raise CurateError("no such pair in the queue", found=repr(pair_id))
        at = self.queue.place[pair_id]
        self.log.add(pair_id, verdict, note)
        return self._after(self.queue.next_open(at + 1, self.log.verdicts))

    def arrange(self, descending: bool | None, sort: str, fate: str, search: str) -> dict[str, Any]:
        """Sort and filter, then show the first pair without a verdict."""
        self.queue.arrange(sort, descending, fate, search)
        return self.state(None)

    def undo(self) -> dict[str, Any]:
        """Take the last verdict back and show its pair."""
        pair_id = self.log.undo()
        return self._after(self.queue.place.get(pair_id) if pair_id else None)

    def _after(self, at: int | None) -> dict[str, Any]:
        return self.state(at if at is not None else -1)


class _Pages:
    """The addresses of the application.

    The page needs the token in its address, and leaves it as a cookie that the rest needs. Cookies
    do not tell ports apart: two reviews at a time need names of their own.
    """

    def __init__(self, review: Review, token: str) -> None:
        self._review, self._token = review, token
        self._cookie = f"curate-review-{blake2b(token.encode(), digest_size=6).hexdigest()}"

    async def page(self, request: Request) -> Response:
        if not secrets.compare_digest(request.query_params.get("token", ""), self._token):
            return _refused()
        response = HTMLResponse(asset("review.html"), headers=_HEADERS)
        response.set_cookie(self._cookie, self._token, httponly=True, samesite="strict")
        return response

    async def static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _STATIC:
            return PlainTextResponse("no such file", status_code=404, headers=_HEADERS)
        return Response(asset(name), media_type=_STATIC[name], headers=_HEADERS)

    async def state(self, request: Request) -> Response:
        at = request.query_params.get("at")
        return await self._answer(request, self._review.state, int(at) if at is not None else None)

    async def verdict(self, request: Request) -> Response:
        body = await _body(request)
        arguments = (str(body.get(k, "")) for k in ("pair_id", "verdict", "note"))
        return await self._answer(request, self._review.judge, *arguments)

    async def undo(self, request: Request) -> Response:
        return await self._answer(request, self._review.undo)

    async def arrange(self, request: Request) -> Response:
        body = await _body(request)
        texts = (str(body.get(k, d)) for k, d in (("sort", ""), ("fate", "all"), ("search", "")))
        return await self._answer(request, self._review.arrange, body.get("descending"), *texts)

    async def _answer(self, request: Request, work: Any, *arguments: Any) -> Response:
        """The result of the work as JSON; 403 without the token, 400 for the user's mistake."""
        if not secrets.compare_digest(request.cookies.get(self._cookie, ""), self._token):
            return _refused()
        try:
            return JSONResponse(await run_in_threadpool(work, *arguments), headers=_HEADERS)
        except CurateError as error:
            return JSONResponse({"error": error.text()}, status_code=400, headers=_HEADERS)


def make_app(review: Review, token: str) -> Starlette:
    """The application of one review; what is asked without the token is refused."""
    pages = _Pages(review, token)
    return Starlette(
        routes=[
            Route("/", pages.page),
            Route("/static/{name}", pages.static),
            Route("/api/state", pages.state),
            Route("/api/verdict", pages.verdict, methods=["POST"]),
            Route("/api/undo", pages.undo, methods=["POST"]),
            Route("/api/arrange", pages.arrange, methods=["POST"]),
        ]
    )


def _refused() -> Response:
    return PlainTextResponse(
        "Open the address that 'curate review' printed.", status_code=403, headers=_HEADERS
    )


async def _body(request: Request) -> dict[str, Any]:
    body = await request.json()
    return body if isinstance(body, dict) else {}


def serve(view: RunView, reviewer: str, port: int, on_ready: Any) -> Path:
    """Serve the page on 127.0.0.1 until the user stops it; returns the file of verdicts.

    Args:
        view: the run.
        reviewer: who judges.
        port: 0 for a free one.
        on_ready: called with the address once the server listens.
    """
    import socket

    import uvicorn

    log = VerdictLog(view.folder, reviewer)
    token = secrets.token_urlsafe(24)
    # Only of a socket that names its protocol does asyncio switch Nagle's delay (40 ms) off.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise CurateError(
                "the port is taken", where="--port", found=f"{port}: {error.strerror}"
            ) from None
        listener.listen()
        on_ready(f"http://127.0.0.1:{listener.getsockname()[1]}/?token={token}")
        config = uvicorn.Config(make_app(Review(view, log), token), log_level="warning")
        uvicorn.Server(config).run(sockets=[listener])
    log.close()
    return log.path
