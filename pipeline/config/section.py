"""What every part of a config is: typed, unchangeable, closed to unknown keys."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the config: typed, unchangeable, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)
