"""The local server of `curate review`: one reviewer, one page, one run."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from curate.errors import CurateError
from curate.report.build import asset
from curate.report.run_view import RunView
from curate.review.queue import Queue
from curate.review.verdict_log import VerdictLog

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_COOKIE = "curate-review"


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

    def undo(self) -> dict[str, Any]:
        """Take the last verdict back and show its pair."""
        pair_id = self.log.undo()
        return self._after(self.queue.place.get(pair_id) if pair_id else None)

    def _after(self, at: int | None) -> dict[str, Any]:
        return self.state(at if at is not None else -1)


def make_app(review: Review, token: str) -> Starlette:
    """The application. The page needs the token in its address; the rest needs it as a cookie."""

    async def page(request: Request) -> Response:
        if not secrets.compare_digest(request.query_params.get("token", ""), token):
            return _refused()
        response = HTMLResponse(asset("review.html"), headers=_HEADERS)
        response.set_cookie(_COOKIE, token, httponly=True, samesite="strict")
        return response

    async def static(request: Request) -> Response:
        name = request.path_params["name"]
        kinds = {"style.css": "text/css", "review.css": "text/css", "review.js": "text/javascript"}
        if name not in kinds:
            return PlainTextResponse("no such file", status_code=404, headers=_HEADERS)
        return Response(asset(name), media_type=kinds[name], headers=_HEADERS)

    async def state(request: Request) -> Response:
        at = request.query_params.get("at")
        return await _answer(request, token, review.state, int(at) if at is not None else None)

    async def verdict(request: Request) -> Response:
        body = await _body(request)
        arguments = (str(body.get(k, "")) for k in ("pair_id", "verdict", "note"))
        return await _answer(request, token, review.judge, *arguments)

    async def undo(request: Request) -> Response:
        return await _answer(request, token, review.undo)

    async def arrange(request: Request) -> Response:
        body = await _body(request)

        def work() -> dict[str, Any]:
            review.queue.arrange(
                str(body.get("sort", "")),
                body.get("descending"),
                str(body.get("fate", "all")),
                str(body.get("search", "")),
            )
            return review.state(None)

        return await _answer(request, token, work)

    return Starlette(
        routes=[
            Route("/", page),
            Route("/static/{name}", static),
            Route("/api/state", state),
            Route("/api/verdict", verdict, methods=["POST"]),
            Route("/api/undo", undo, methods=["POST"]),
            Route("/api/arrange", arrange, methods=["POST"]),
        ]
    )


def _refused() -> Response:
    return PlainTextResponse(
        "Open the address that 'curate review' printed.", status_code=403, headers=_HEADERS
    )


async def _body(request: Request) -> dict[str, Any]:
    body = await request.json()
    return body if isinstance(body, dict) else {}


async def _answer(request: Request, token: str, work: Any, *arguments: Any) -> Response:
    """The result of the work as JSON; 403 without the token, 400 for the user's mistake."""
    if not secrets.compare_digest(request.cookies.get(_COOKIE, ""), token):
        return _refused()
    try:
        return JSONResponse(await run_in_threadpool(work, *arguments), headers=_HEADERS)
    except CurateError as error:
        return JSONResponse({"error": error.text()}, status_code=400, headers=_HEADERS)


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
