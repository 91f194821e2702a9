"""The base of every part of pipeline.yaml, so that each room can hold the model of its own."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of pipeline.yaml; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
