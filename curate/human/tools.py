"""The annotation tools by name."""

from __future__ import annotations

from curate.human.argilla import Argilla
from curate.human.json_lines import PairTool
from curate.human.label_studio import LabelStudio
from curate.human.tool import Tool

TOOLS: dict[str, Tool] = {tool.name: tool for tool in (LabelStudio(), Argilla(), PairTool())}
