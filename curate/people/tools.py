"""The annotation tools by name."""

from __future__ import annotations

from curate.people.argilla import Argilla
from curate.people.json_lines import PairTool
from curate.people.label_studio import LabelStudio
from curate.people.tool import Tool

TOOLS: dict[str, Tool] = {tool.name: tool for tool in (LabelStudio(), Argilla(), PairTool())}
