"""Texts of questions, as jinja2 templates that a user may replace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from curate.errors import CurateError

if TYPE_CHECKING:
    from jinja2 import Template

_FILE_ENDINGS = (".j2", ".jinja", ".jinja2")

_SHOWN = """\
<conversation>
{{ prompt }}
</conversation>

<answer_A>
{{ answer_a }}
</answer_A>

<answer_B>
{{ answer_b }}
</answer_B>
"""
_TWO_ANSWERS = (
    """\
{% if rubric %}{{ rubric }}
{% else %}Weigh how well each answer does what the user asks: correctness, helpfulness, honesty, \
harmlessness and clarity. Neither the order nor the length of the answers matters.
{% endif %}
"""
    + _SHOWN
)

CHOICE = f"""\
Two assistants answered the same user. Say which answer is better.
{_TWO_ANSWERS}
First give your reason in one to three sentences. Then end with one line that holds only your \
verdict: [[A]] if answer A is better, [[B]] if answer B is better, [[C]] if both are as good."""

SCORE = f"""\
Two assistants answered the same user. Rate each answer from 1 (useless) to 10 (excellent).
{_TWO_ANSWERS}
First give your reason in one to three sentences. Then end with one line that holds only the two \
ratings, that of answer A first, each in double square brackets."""

TAGS = """\
Name the intentions of the user in the conversation below: what is asked for, on which subject, \
and under which conditions. Use short lower-case noun phrases of one to three words that would fit \
other conversations too.

<conversation>
{{ prompt }}
</conversation>

Reply with a JSON list of strings and nothing else, for example ["recipe idea", "vegan food"]."""

FEEDBACK = """\
A user talks to an assistant. Below are the assistant's answer and what the user said next. Does \
the user show satisfaction with that answer (SAT: gratitude, praise, learning, compliance, \
closure), dissatisfaction (DSAT: negative feedback, factual error, revision, ignored, insufficient \
detail, unrealistic expectation, no engagement), or neither, such as a new request (NONE)? Thanks \
together with a complaint is DSAT.

<answer>
{{ answer }}
</answer>

<user>
{{ turn }}
</user>

Reply with one line and nothing else: SAT: rubric, DSAT: rubric, or NONE."""

BETTER_ANSWER = """\
A user complained of an assistant's answer. Write the answer that the assistant should have given \
to the conversation, so that the complaint would not have come up. Do not speak of the complaint \
or of the earlier answer.

<conversation>
{{ prompt }}
</conversation>

<answer>
{{ answer }}
</answer>

<complaint>
{{ complaint }}
</complaint>

Reply with the new answer and nothing else."""

CLEARER_EXAMPLE = """\
Two texts are of the class "{{ label }}". Say which text is the clearer example of this class.

<text_A>
{{ text_a }}
</text_A>

<text_B>
{{ text_b }}
</text_B>

End with one line that holds only your verdict: [[A]], [[B]], or [[C]] if both are as clear."""

FOLLOWS_PREFERENCE = f"""\
A user has stated a preference. Two assistants answered the same user. Say which answer follows \
the stated preference better; nothing else counts.

<preference>
{{{{ preference }}}}
</preference>

{_SHOWN}
End with one line that holds only your verdict: [[A]], [[B]], or [[C]] if both follow it as well."""

FEATURE = """\
A number was measured on many texts. Say what it measures.

Texts on which it is high:
{% for text in high %}<high>
{{ text }}
</high>
{% endfor %}
Texts on which it is low:
{% for text in low %}<low>
{{ text }}
</low>
{% endfor %}
Reply with one short noun phrase that fits the high texts and not the low ones, and nothing else."""


def compiled(template: str, names: tuple[str, ...], where: str) -> Template:
    """A template from its text, or from the file that it names.

    Args:
        template: the text, or a path that ends in .j2, .jinja or .jinja2.
        names: variables that it may use; all others are refused.
        where: for errors.

    Raises:
        CurateError: no such file, no jinja2, or a variable that does not exist.
    """
    from jinja2 import StrictUndefined, TemplateError, meta
    from jinja2.sandbox import SandboxedEnvironment

    text = template
    if "\n" not in template and template.endswith(_FILE_ENDINGS):
        try:
            text = Path(template).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CurateError(
                "the template cannot be read", where=template, found=str(error)
            ) from None
    # A pipeline may come from somebody else: its templates must not reach Python's objects.
    environment = SandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=False)
    try:
        unknown = meta.find_undeclared_variables(environment.parse(text)) - set(names)
        made = environment.from_string(text)
    except TemplateError as error:
        raise CurateError("the template is wrong", where=where, found=str(error)) from None
    # An unknown variable would be an empty text in every question that is asked.
    if unknown:
        raise CurateError(
            "the template uses unknown variables",
            where=where,
            found=", ".join(sorted(unknown)),
            expected="variables among " + ", ".join(names),
        )
    return made
