"""Open WebUI: exported feedback, or exported chats, in which people rated answers by thumbs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import orjson
import polars as pl

from curate.data.json_text import to_json
from curate.data.table import MESSAGES
from curate.read.formats.base import (
    ERROR,
    EXTRA,
    NO_PAIR,
    ROW,
    Format,
    ReadOptions,
    RowSample,
    as_turn,
    has_columns,
)
from curate.read.formats.rankings import (
    RANKED_WITH_METADATA,
    add_answer_metadata,
    pairs_from_rankings,
)

_UP, _UNRATED, _DOWN = 1.0, 0.5, 0.0
_SCORES = {"1": _UP, "1.0": _UP, "-1": _DOWN, "-1.0": _DOWN}
_NO_CHAT = "the record holds no chat with a history of messages"
_NO_MESSAGE = "the chat of the record does not hold the rated message or one before it"
_NO_RATING = "no answer of the record has a rating (1 or -1)"
_NO_OTHER = "no other answer to the same message has the other rating"
_RECORD_COLUMNS = ("data", "meta", "snapshot")
# Half a thumb: an unrated answer of an arena lost to a thumb up, or won against a thumb down.
_MIN_GAP = 0.5
Objects = Mapping[str, Any]


@dataclass
class _Replies:
    """The answers to one message, as one user rated them.

    Attributes:
        row: number of the first row with a rating.
        user: id of the user.
        prompt: the conversation up to the message.
        scores: by id of the answer.
        answers: text and metadata by id of the answer.
    """

    row: int
    user: str | None
    prompt: list[dict[str, Any]]
    scores: dict[str, float] = field(default_factory=dict)
    answers: dict[str, tuple[str, str]] = field(default_factory=dict)

    def has_both(self) -> bool:
        """Return whether two answers differ by their ratings."""
        return len(set(self.scores.values())) > 1

    def ranking(self) -> list[dict[str, object]]:
        """Return the answers as a ranking."""
        return [
            {"text": self.answers[key][0], "score": score, "said": self.answers[key][1]}
            for key, score in self.scores.items()
        ]


class OpenWebUI(Format):
    """Open WebUI's exported feedback (`data`, `meta`, `snapshot`) or exported chats (`chat`).

    An answer with a thumb up is preferred to each other answer to the same message with a thumb
    down. In the arena an unrated answer beside a rated one counts as the other side of the
    comparison, as in Open WebUI's leaderboard (strength .5). If an answer is rated again, the last
    rating counts. The prompt is the conversation up to the message, with the chat's system prompt;
    model, reason, comment and tags go to `extra` as `chosen_answer` and `rejected_answer`. Rows
    whose answers have no counterpart are listed, and are no error.
    """

    name = "open_webui"
    summary = "Open WebUI: exported feedback or chats; thumbs on answers to the same message"
    value_columns = ("id", "user_id", "type")
    json_columns: ClassVar[tuple[str, ...]] = (*_RECORD_COLUMNS, "chat")
    needs_all_rows = True
    answers_format = "open_webui_answers"
    priority = 10

    def matches(self, rows: RowSample) -> bool:
        """Return whether rows are feedback with snapshots, or chats with a history."""
        has_chats = has_columns(rows, *_RECORD_COLUMNS) or has_columns(rows, "chat")
        return has_chats and any(_chat_of(row) is not None for row in rows)

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return pairs of answers to one message with different ratings."""
        groups, reasons, used_rows = self._rated_replies(rows)
        complete = {key: replies for key, replies in groups.items() if replies.has_both()}
        reasons += [
            {ROW: row, NO_PAIR: _NO_OTHER}
            for row, keys in used_rows.items()
            if not keys & complete.keys()
        ]
        rankings = _rankings(complete.values())
        pairs = pairs_from_rankings(rankings, options.with_min_gap(_MIN_GAP))
        return _with_reasons(add_answer_metadata(pairs, "answer"), reasons)

    def _rated_replies(
        self, rows: pl.DataFrame
    ) -> tuple[
        dict[tuple[Any, ...], _Replies], list[dict[str, Any]], dict[int, set[tuple[object, ...]]]
    ]:
        """Return the rated answers to each message, reasons of rows without any, and the messages
        that each row rates.
        """
        groups: dict[tuple[Any, ...], _Replies] = {}
        reasons: list[dict[str, Any]] = []
        used_rows: dict[int, set[tuple[object, ...]]] = {}
        # Row by row: each chat is a tree of messages with keys of its own, which no schema holds.
        for record in rows.select(ROW, *self.value_columns, *self.json_columns).iter_rows(
            named=True
        ):
            row, columns = record[ROW], _parse(record)
            outcome = _add_ratings(groups, row, columns)
            if isinstance(outcome, str):
                kind = NO_PAIR if outcome == _NO_RATING else ERROR
                reasons.append({ROW: row, kind: outcome})
            else:
                used_rows[row] = outcome
        return groups, reasons, used_rows


class OpenWebUIAnswers(OpenWebUI):
    """Each rated answer of Open WebUI's feedback or chats by itself, for KTO.

    The thumb is the `label` in `extra`, as the output format `trl_kto` reads it; unrated answers
    are left out. Only when named.
    """

    name = "open_webui_answers"
    summary = "Open WebUI: each answer with a thumb by itself, for KTO"
    single_answers = True
    priority = -1

    def convert(self, rows: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
        """Return answers with a thumb up or down; `rejected` is null."""
        groups, reasons, _ = self._rated_replies(rows)
        columns: dict[str, type[pl.DataType] | pl.DataType] = {
            ROW: pl.Int64,
            "annotator": pl.String,
            "prompt": MESSAGES,
            "_text": pl.String,
            EXTRA: pl.String,
        }
        answers = [
            (g.row, g.user, g.prompt, g.answers[key][0], _with_label(g.answers[key][1], score))
            for g in groups.values()
            for key, score in g.scores.items()
            if score != _UNRATED
        ]
        frame = pl.DataFrame(answers, schema=columns, orient="row")
        return _with_reasons(frame.with_columns(chosen=as_turn("_text", "assistant")), reasons)


def _with_label(metadata: str, score: float) -> str:
    """Return what is known of an answer, with its thumb as the label."""
    return to_json(orjson.loads(metadata) | {"label": score > 0})


def _with_reasons(pairs: pl.DataFrame, reasons: list[dict[str, Any]]) -> pl.DataFrame:
    """Return the pairs and the rows that make none, by row."""
    schema = dict[str, pl.DataType]({ROW: pl.Int64(), ERROR: pl.String(), NO_PAIR: pl.String()})
    listed = pl.DataFrame(reasons, schema=schema)
    return pl.concat([pairs, listed], how="diagonal").sort(ROW, maintain_order=True)


def _rankings(groups: Iterable[_Replies]) -> pl.DataFrame:
    """Return one row for each message with rated answers."""
    columns: dict[str, type[pl.DataType] | pl.DataType] = {
        ROW: pl.Int64,
        "annotator": pl.String,
        "prompt": MESSAGES,
        "_ranked": RANKED_WITH_METADATA,
    }
    rows = [(g.row, g.user, g.prompt, g.ranking()) for g in groups]
    return pl.DataFrame(rows, schema=columns, orient="row").with_columns(pl.lit("{}").alias(EXTRA))


def _parse(record: Objects) -> dict[str, Any]:
    """Return a row with its JSON texts as objects."""
    json_names = (*_RECORD_COLUMNS, "chat")
    parsed = {n: orjson.loads(record[n]) if record[n] else None for n in json_names}
    return {**record, **parsed}


def _chat_of(row: Objects) -> Objects | None:
    """Return the chat of a record: its snapshot, or the chat itself."""
    snapshot = row.get("snapshot")
    chat = snapshot.get("chat") if isinstance(snapshot, Mapping) else row.get("chat")
    # A snapshot holds the record of a chat, and the record its content.
    if isinstance(chat, Mapping) and isinstance(chat.get("chat"), Mapping):
        chat = chat["chat"]
    return chat if isinstance(chat, Mapping) and _messages_of(chat) else None


def _messages_of(chat: Objects) -> Mapping[str, Objects]:
    """Return the messages of a chat by their ids; empty where there is no history."""
    history = chat.get("history")
    messages = history.get("messages") if isinstance(history, Mapping) else None
    return messages if isinstance(messages, Mapping) else {}


def _add_ratings(
    groups: dict[tuple[Any, ...], _Replies], row: int, record: Objects
) -> set[tuple[Any, ...]] | str:
    """Add the ratings of a row to their groups; return the groups, or why there are none."""
    chat = _chat_of(record)
    if chat is None:
        return _NO_CHAT
    messages = _messages_of(chat)
    meta, data = (record.get(name) or {} for name in ("meta", "data"))
    chat_id = meta.get("chat_id") or record.get("id") or row
    keys = set()
    for message_id, score, details in _ratings(messages, meta, data):
        message = messages.get(message_id)
        prompt = None if message is None else _conversation(chat, messages, message.get("parentId"))
        if message is None or prompt is None:
            return _NO_MESSAGE
        key = (record.get("user_id"), chat_id, message["parentId"])
        replies = groups.setdefault(key, _Replies(row, record.get("user_id"), prompt))
        replies.scores[message_id] = score
        replies.answers[message_id] = _answer(message, details)
        if meta.get("arena"):
            _add_unrated(replies, messages, message["parentId"])
        keys.add(key)
    return keys or _NO_RATING


def _ratings(
    messages: Mapping[str, Objects], meta: Objects, data: Objects
) -> Iterator[tuple[str, float, Objects]]:
    """Yield id, score and details of each rated message; that of the record comes last."""
    for message_id, message in messages.items():
        annotation = message.get("annotation")
        if isinstance(annotation, Mapping) and str(annotation.get("rating")) in _SCORES:
            yield message_id, _SCORES[str(annotation["rating"])], annotation
    if str(data.get("rating")) in _SCORES:
        yield str(meta.get("message_id")), _SCORES[str(data["rating"])], data


def _add_unrated(replies: _Replies, messages: Mapping[str, Objects], parent: str) -> None:
    """Add the other answers of an arena, which the user saw beside the rated one."""
    for message_id, message in messages.items():
        if message.get("parentId") == parent and message.get("role") == "assistant":
            replies.scores.setdefault(message_id, _UNRATED)
            replies.answers.setdefault(message_id, _answer(message, {}))


def _answer(message: Objects, details: Objects) -> tuple[str, str]:
    """Return the text of an answer, and what else is known of it as JSON text."""
    metadata = {"model": message.get("model")}
    metadata |= {n: details[n] for n in ("reason", "comment", "tags") if details.get(n)}
    return str(message.get("content") or ""), orjson.dumps(metadata).decode()


def _conversation(
    chat: Objects, messages: Mapping[str, Objects], last: str | None
) -> list[dict[str, object]] | None:
    """Return the turns up to a message; None where one of them is missing."""
    turns: list[dict[str, Any]] = []
    visited: set[str] = set()
    while last is not None:
        # A circle of parents has no beginning, as little as a missing parent.
        if last in visited or last not in messages:
            return None
        visited.add(last)
        message = messages[last]
        turns.append({"role": message.get("role"), "content": str(message.get("content") or "")})
        last = message.get("parentId")
    params = chat.get("params")
    system = chat.get("system") or (params.get("system") if isinstance(params, Mapping) else None)
    if system:
        turns.append({"role": "system", "content": str(system)})
    return turns[::-1] or None
