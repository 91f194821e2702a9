"""Text of the data reaches the terminal as text, never as a control sequence."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

# C0 and C1 controls but tab and line feed, and the marks that reorder text (Trojan Source): an
# answer could move the cursor, set the title, or show another text than it holds.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """Return the text with control and direction characters escaped."""
    return _CONTROL.sub(lambda m: m.group().encode("unicode_escape").decode(), text)


class SafeConsole(Console):
    """Console that shows control characters instead of sending them."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield the segments of a renderable; control segments of rich itself are unchanged."""
        for segment in super().render(renderable, options):
            # Control segments are rich's own, such as those of the progress bar.
            if segment.control or not _CONTROL.search(segment.text):
                yield segment
            else:
                yield Segment(visible(segment.text), segment.style)


def json_text(value: object) -> str:
    """Return readable JSON without control characters."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    # As JSON escapes, so that the text is still the same JSON; dumps leaves C1 as they are.
    return _CONTROL.sub(lambda m: f"\\u{ord(m.group()):04x}", text)
