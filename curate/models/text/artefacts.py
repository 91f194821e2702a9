"""Marks in an answer that give a label away and say nothing of the answer's quality."""

from __future__ import annotations

from typing import Literal, get_args

import polars as pl

Artefact = Literal[
    "trace",
    "tool_call",
    "image",
    "template_token",
    "cut_off",
    "assistant_name",
    "leading_space",
]
ARTEFACTS: tuple[Artefact, ...] = get_args(Artefact)
"""All artefacts, in the order of reports."""

_TOKENS = (
    r"<\|(?:im_start|im_end|eot_id|end_of_text|endoftext|begin_of_text|end|user|assistant|system"
    r"|start_header_id|end_header_id|eom_id|return)\|>",
    r"</?s>",
    r"\[/?INST\]",
    r"<</?SYS>>",
    r"<(?:start|end)_of_turn>",
    r"<(?:bos|eos|pad)>",
    r"(?m)^#{2,3} ?(?:Human|Assistant|Instruction|Response):",
)
TEMPLATE_TOKEN = "|".join(f"(?:{token})" for token in _TOKENS)
"""Marks of turns and ends of the common chat templates."""
_NAMES = (
    r"\b(?:ChatGPT|GPT-?[345o]\w*|OpenAI|Claude|Anthropic|Gemini|Google Bard|Vicuna|Alpaca|LLaMA"
    r"|Llama-?[234]\w*|Mistral(?: AI)?|Mixtral|Qwen\w*|DeepSeek\w*|Tongyi|Koala|Open ?Assistant"
    r"|Grok|Copilot)\b"
)
_LONG = 80
"""Characters from which an answer is expected to end like a sentence."""
_OPEN_END = r"[\p{L}\p{N},;:(\[-]\s*$"


def has_artefact(kind: Artefact, side: str) -> pl.Expr:
    """Return whether the answer of a column of messages has an artefact of this kind.

    - trace: a text between `<think>` marks, `reasoning_content` included;
    - tool_call: a call, as a field or as a `<tool_call>` text;
    - image: an image among the answer's parts;
    - template_token: an end-of-turn mark or another token of a chat template in the text;
    - cut_off: 80 characters or more that end with a letter, digit, comma or open bracket, or a code
      block that is not closed;
    - assistant_name: the name of an assistant or of its maker;
    - leading_space: white space at the start.
    """
    turns = pl.col(side)
    content, more = (pl.element().struct.field(name) for name in ("content", "more"))
    texts = turns.list.eval(content.fill_null(""))
    joined_text = texts.list.join("\n\n")
    last = texts.list.last().fill_null("")
    # An odd number of fences: the text ends inside a code block.
    unclosed = last.str.count_matches("```", literal=True) % 2 == 1
    open_end = (last.str.len_chars() >= _LONG) & last.str.contains(_OPEN_END)
    conditions = {
        "trace": joined_text.str.contains("<think>|</think>"),
        "tool_call": joined_text.str.contains("<tool_call>", literal=True),
        "image": turns.list.eval(more.str.contains('"type":"(?:input_)?image')).list.any(),
        "template_token": joined_text.str.contains(TEMPLATE_TOKEN),
        "cut_off": open_end | unclosed,
        "assistant_name": joined_text.str.contains(_NAMES),
        "leading_space": texts.list.first().fill_null("").str.contains(r"^\s"),
    }
    return conditions[kind].fill_null(False)


def artefact_direction(kind: Artefact) -> pl.Expr:
    """Return +1 if only the chosen answer has the artefact, -1 if only the rejected one, else 0
    (Int8)."""
    chosen, rejected = (has_artefact(kind, side).cast(pl.Int8) for side in ("chosen", "rejected"))
    return (chosen - rejected).alias(kind)


def strip_template_tokens(side: str) -> pl.Expr:
    """Return the plain messages of a column without template tokens and white space at the answer's
    start.

    Messages that are more than a text stay as they are.
    """
    turns = pl.col(side)
    role, content, more = (pl.element().struct.field(n) for n in ("role", "content", "more"))
    clean = content.str.replace_all(TEMPLATE_TOKEN, "").str.strip_chars_start()
    text = pl.when(more.is_null()).then(clean).otherwise(content)
    return turns.list.eval(pl.struct(role=role, content=text, more=more)).alias(side)
