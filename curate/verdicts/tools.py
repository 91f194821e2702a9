"""The annotation tools by name."""

from __future__ import annotations

from curate.verdicts.argilla import Argilla
from curate.verdicts.json_lines import PairTool
from curate.verdicts.label_studio import LabelStudio
from curate.verdicts.tool import AnnotationTool

TOOLS: dict[str, AnnotationTool] = {
    tool.name: tool for tool in (LabelStudio(), Argilla(), PairTool())
}
