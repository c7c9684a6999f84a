"""Options that data sets have in common."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from paretune.spaces.params import Params


class SplitParams(Params):
    """How parts are split off."""

    validation: float = Field(
        0.2,
        gt=0,
        le=0.5,
        description="share of the training part to validate on, where no part is given",
    )


class ImageDataParams(SplitParams):
    """How parts are split off, and how images are read."""

    memory: Literal["auto", "ram", "stream"] = Field(
        "auto", description="keep decoded images in memory, or read them anew each epoch"
    )
    workers: int = Field(0, ge=0, le=256, description="processes that read, when streaming")
    pin_memory: bool = Field(False, description="page-locked batches, when streaming to a GPU")
    prefetch: int = Field(2, ge=1, le=64, description="batches each worker reads ahead")
