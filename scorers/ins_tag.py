"""Tags of the user's intentions."""

from __future__ import annotations

import json
import re
from typing import Any

import polars as pl
from pydantic import Field

from curate import Column, Context, Input, Scope, Scorer
from curate.scoring import messages_text
from curate.scoring.judge import (
    OK,
    TAGS,
    UNREADABLE,
    EndpointParams,
    QuestionTemplate,
    ask_endpoint,
    compile_question,
)

# Innermost brackets only: a greedy match would join several lists.
_JSON_LIST = re.compile(r"\[[^\[\]]*\]")
_NOT_WORD = re.compile(r"[\W_]+")


class InsTagParams(EndpointParams):
    """Parameters of `ins_tag`."""

    template: str = Field(
        TAGS, description="The question, as jinja2 text or file, over prompt; the reply is JSON."
    )


class InsTag(Scorer[InsTagParams]):
    """Let a language model tag the intentions of each prompt; their number is its complexity.

    `tags` is a JSON list of lower-case tags without punctuation, `count` their number (InsTag,
    arXiv 2308.07074, sec. 2). The paper also merges tags by phrase embeddings and by association;
    here the filter `tag_coverage` ignores rare tags. It costs one request per prompt. Use it to
    spread a budget over intentions.

    Examples:
        >>> parse_tags('The tags are ["Recipe", "vegan-cooking", "recipe"].')
        ['recipe', 'vegan cooking']
    """

    name = "ins_tag"
    purpose = "rewards and models"
    when = "To spread a budget over intentions. Costs one request per prompt."
    summary = "intention tags of the prompts by a language model (InsTag)"
    reference = "InsTag, arXiv 2308.07074, sec. 2"
    inputs = frozenset({Input.TEXTS, Input.MODEL})
    scope = Scope.ROW
    single_answer_columns = ("tags", "count", "status")
    Params = InsTagParams

    def __init__(self, /, **parameters: Any) -> None:
        super().__init__(**parameters)
        self._template: QuestionTemplate | None = None
        if "template" in self.params.model_fields_set:
            self._compiled()  # the user's template is checked before any data is read

    def _compiled(self) -> QuestionTemplate:
        if self._template is None:
            where = "scorer 'ins_tag', template"
            self._template = compile_question(self.params.template, ("prompt",), where)
        return self._template

    def columns(self) -> tuple[Column, ...]:
        """Return tags and their number."""
        return (
            Column("tags", "JSON list of the prompt's tags", "text"),
            Column("count", "number of tags (complexity)"),
            Column("status", f"{OK}; {UNREADABLE}; budget; or why there is no reply", "text"),
        )

    def score(self, pairs: pl.DataFrame, context: Context) -> pl.DataFrame:
        """Return tags of a batch."""
        template = self._compiled()
        prompts = pairs.select(t=messages_text("prompt"))["t"].to_list()
        questions = [[{"role": "user", "content": template.render(prompt=p)}] for p in prompts]
        rows = []
        for reply in ask_endpoint(questions, context, self.params):
            tags = None if reply.text is None else parse_tags(reply.text)
            unread = UNREADABLE if reply.text is not None else reply.status
            rows.append(
                {
                    "tags": None if tags is None else json.dumps(tags, ensure_ascii=False),
                    "count": None if tags is None else float(len(tags)),
                    "status": unread if tags is None else OK,
                }
            )
        return pl.DataFrame(rows, schema={c.name: c.dtype for c in self.columns()})


def parse_tags(reply: str) -> list[str] | None:
    """Return the tags in the last JSON list of strings (or objects with "tag") of a reply."""
    # The last list: a model that reasons first may quote other lists.
    for text in reversed(_JSON_LIST.findall(reply)):
        try:
            items = json.loads(text)
        except ValueError:
            continue
        words = [item.get("tag") if isinstance(item, dict) else item for item in items]
        # Models write one tag in many ways, each of which would count as new.
        clean = [_NOT_WORD.sub(" ", w).strip().lower() for w in words if isinstance(w, str)]
        return list(dict.fromkeys(tag for tag in clean if tag))
    return None
