"""Many questions: each once, several at a time, within a budget, every reply on disk at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

from curate.errors import CurateError
from curate.models.judge.endpoint import BUDGET, OK, Endpoint, EndpointParams, Messages, Reply
from curate.store.rows import row_key

if TYPE_CHECKING:
    from curate.steps.context import Context
    from curate.store.rows import RowStore

# So many failures in a row are no hiccup: the server is down or the key is wrong.
_GIVE_UP = 10
# Prices are quoted per million tokens.
_MILLION = 1e6
FACTS = "endpoint"


def ask_endpoint(
    questions: Sequence[Messages],
    context: Context,
    params: EndpointParams,
    enough: Callable[[str], bool] = lambda _: False,
) -> list[Reply]:
    """Return the reply to each question, in order; equal questions are asked once.

    A reply is kept under the hash of question, model, address and settings as soon as it is there,
    also when the run is being stopped, so that a rerun asks only what has no reply yet. Nothing
    more is asked once the budget is used up: at most `concurrency` replies go beyond it.

    Args:
        questions: messages of each.
        context: of the step; its facts gain requests, tokens and cost.
        params: of the endpoint.
        enough: see `Endpoint`.

    Raises:
        CurateError: the endpoint refuses, or ten questions in a row failed after all retries.
    """
    identity = params.identity()
    # Model, address and settings are in the key: a reply to other settings is another reply.
    keys = [row_key("reply", identity, json.dumps(question)) for question in questions]
    rows = context.store.rows("replies") if context.store is not None else None
    stored_replies = rows.get(list(dict.fromkeys(keys))) if rows is not None else {}
    unpacked = {key: _decode_reply(value) for key, value in stored_replies.items()}
    replies = {key: reply for key, reply in unpacked.items() if reply is not None}
    missing = {k: q for k, q in zip(keys, questions, strict=True) if k not in replies}
    facts = context.report.counts(FACTS)
    facts["replies_from_store"] = facts.get("replies_from_store", 0) + len(replies)
    if missing:
        queue = _QuestionQueue(Endpoint(params, enough), facts, rows)
        with context.progress.task(f"{params.model}: questions", len(missing)) as task:
            for key, reply in queue.all(missing):
                replies[key] = reply
                task.advance()
    _record_missing_replies(facts, context)
    return [replies[key] for key in keys]


class _QuestionQueue:
    """Questions under way, and what they have used."""

    def __init__(self, endpoint: Endpoint, facts: dict[str, float], rows: RowStore | None) -> None:
        self._endpoint, self._facts, self._rows = endpoint, facts, rows
        self._failed = 0

    def all(self, questions: dict[bytes, Messages]) -> Iterator[tuple[bytes, Reply]]:
        """Yield the key and reply of each question as they come."""
        waiting = iter(questions.items())
        running: dict[Future[Reply], bytes] = {}
        with _background_loop() as loop:
            try:
                while self._begin(waiting, running, loop):
                    for done in wait(running, return_when=FIRST_COMPLETED).done:
                        yield running.pop(done), self._counted(done.result())
            finally:
                # Replies under way have been asked for, and are paid: they are kept.
                wait(running)
                asyncio.run_coroutine_threadsafe(self._endpoint.close(), loop).result()
        for key, _ in waiting:
            self._add("unasked", 1)
            yield key, Reply(None, BUDGET)

    def _begin(
        self,
        waiting: Iterator[tuple[bytes, Messages]],
        running: dict[Future[Reply], bytes],
        loop: asyncio.AbstractEventLoop,
    ) -> bool:
        """Ask as many as may be under way; return whether any is."""
        # Few are under way at a time, so that a budget is overrun by no more than these.
        while len(running) < self._endpoint.params.concurrency and not self._spent():
            item = next(waiting, None)
            if item is None:
                break
            running[asyncio.run_coroutine_threadsafe(self._ask(*item), loop)] = item[0]
        return bool(running)

    async def _ask(self, key: bytes, question: Messages) -> Reply:
        """Ask, and keep the reply at once: also when the run is stopped while it is under way."""
        reply = await self._endpoint.ask(question)
        if self._rows is not None and reply.status == OK:
            self._rows.put([key], [_encode_reply(reply)])
        return reply

    def _counted(self, reply: Reply) -> Reply:
        p = self._endpoint.params
        self._add("requests", 1)
        self._add("tokens_in", reply.tokens_in)
        self._add("tokens_out", reply.tokens_out)
        cost = reply.tokens_in * p.price_in + reply.tokens_out * p.price_out
        self._add("cost", cost / _MILLION)
        if reply.estimated:
            self._add("replies_with_estimated_tokens", 1)
        if reply.status != OK:
            self._add("failures", 1)
        # A server that is down would otherwise cost each question all its retries, for hours.
        self._failed = self._failed + 1 if reply.passing else 0
        if self._failed >= _GIVE_UP:
            raise CurateError(
                f"{_GIVE_UP} questions in a row failed after {p.retries} retries each",
                where=self._endpoint.place,
                found=reply.status,
                fix="see to the server, or lower concurrency; every reply so far is kept, and the "
                "same command goes on from there",
            )
        return reply

    def _spent(self) -> bool:
        p, used = self._endpoint.params, self._facts
        tokens = used.get("tokens_in", 0) + used.get("tokens_out", 0)
        over_tokens = p.budget_tokens is not None and tokens >= p.budget_tokens
        return over_tokens or (p.budget_cost is not None and used.get("cost", 0) >= p.budget_cost)

    def _add(self, name: str, value: float) -> None:
        self._facts[name] = self._facts.get(name, 0) + value


@contextmanager
def _background_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop in a thread of its own: the caller may be in one, as in a notebook."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        asyncio.run_coroutine_threadsafe(loop.shutdown_asyncgens(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _record_missing_replies(facts: dict[str, float], context: Context) -> None:
    """Say what has no reply; of several batches the last word counts."""
    context.warnings[:] = [w for w in context.warnings if not w.startswith("questions without")]
    unasked, failures = facts.get("unasked", 0), facts.get("failures", 0)
    if unasked or failures:
        context.warnings.append(
            f"questions without a reply: {unasked} not asked for lack of budget, {failures} failed "
            "or refused; their pairs have no score (see status), and a rerun asks them again"
        )


def _encode_reply(reply: Reply) -> bytes:
    return json.dumps([reply.text, reply.tokens_in, reply.tokens_out, reply.estimated]).encode()


def _decode_reply(value: bytes) -> Reply | None:
    """Return the reply that was kept; None for what is of another form, which is asked again."""
    try:
        text, tokens_in, tokens_out, estimated = json.loads(value)
    except (ValueError, TypeError):
        return None
    return Reply(text, OK, tokens_in, tokens_out, estimated) if isinstance(text, str) else None
