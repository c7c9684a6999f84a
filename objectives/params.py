"""The base class of the options of objectives and runtimes."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Params(BaseModel):
    """Options of an objective or a runtime: frozen, strict, without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Threads = Annotated[int, Field(ge=0, le=1024, description="threads of one inference; 0: all cores")]
"""The option `threads` of a runtime."""
