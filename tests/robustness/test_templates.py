"""Templates of somebody else reach nothing and stay small, and fail before anything is read."""

from __future__ import annotations

import pytest

from curate import CurateError, Pipeline
from curate.models.judge.templates import compile_question

HOSTILE = {
    "Python's objects": "{{ ''.__class__.__mro__ }}",
    "globals of a function": "{{ prompt.upper.__globals__ }}",
    "attributes by filter": "{{ prompt|attr('__class__') }}",
    "a file": "{% include '/etc/passwd' %}",
    "an import": "{% import '/etc/passwd' as x %}",
    "a parent": "{% extends '/etc/passwd' %}",
    "a loop over numbers": "{% for i in range(99999) %}{% for j in range(99999) %}"
    "{% endfor %}{% endfor %}",
    "a large range": "{{ range(10**9)|list }}",
    "lipsum": "{{ lipsum(n=1000000) }}",
    "a repeated text": "{{ 'x' * 1000000000 }}",
    "a repeated list": "{{ [1] * 1000000000 }}",
    "a power": "{{ 9 ** 9 ** 9 }}",
    "padding by filter": "{{ prompt|center(1000000000) }}",
    "padding by method": "{{ prompt.ljust(1000000000) }}",
    "padding by format": "{{ '{:>1000000000}'.format(1) }}",
    "padding by %": "{{ '%1000000000d' % 1 }}",
    "padding by indent": "{{ prompt|indent(1000000000) }}",
    "a macro without end": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "division by zero": "{{ 1 / 0 }}",
    "an unknown field": "{{ prompt.nothing }}",
    "a wrong type": "{{ prompt + 1 }}",
    "an unknown filter": "{{ prompt|nothing }}",
    "an unclosed tag": "{% if prompt %}",
    "depth": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "growth": "{% set x = prompt|replace('', prompt)|replace('', prompt) %}"
    "{% set y = x|replace('', x) %}{% set z = y|replace('', y) %}{{ z }}",
}


@pytest.mark.parametrize("template", HOSTILE.values(), ids=list(HOSTILE))
def test_a_hostile_template_is_refused_before_reading(template: str) -> None:
    with pytest.raises(CurateError):
        compile_question(template, ("prompt",), "here")


@pytest.mark.parametrize("step", ["judge", "ins_tag"])
def test_a_pipeline_refuses_it_at_once(step: str) -> None:
    scorer = {"type": step, "model": "m", "base_url": "http://localhost:1/v1"}
    scorer["template"] = HOSTILE["Python's objects"]
    with pytest.raises(CurateError, match="template"):
        Pipeline({"input": {"path": "gone.jsonl"}, "scorers": [scorer], "filters": []})


def test_plain_templates_work() -> None:
    text = "{% for x in prompt.split('\n') %}{{ loop.index * 2 }}: {{ x|trim|upper }}\n{% endfor %}"
    assert compile_question(text, ("prompt",), "here").render(prompt="a\nb ") == "2: A\n4: B\n"
