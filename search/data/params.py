"""Options that several data sets share."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from paretune.spaces.params import Params


class SplitParams(Params):
    """How parts that the data lacks are split off."""

    validation: float = Field(
        0.2,
        gt=0,
        le=0.5,
        description="share of the training part to validate on, if the data has no validation part",
    )
    unseen: list[Literal["validation", "test"]] = Field(
        [],
        description="validation, test: parts to split off the training part although the study "
        "starts from trained weights; type them if the weights were not trained on these files",
    )

    @field_validator("unseen", mode="before")
    @classmethod
    def _as_list(cls, value: Any) -> Any:
        """Accepts a single name."""
        return [value] if isinstance(value, str) else value


class ImageDataParams(SplitParams):
    """How parts that the data lacks are split off, and how images are read."""

    memory: Literal["auto", "ram", "stream"] = Field(
        "auto",
        description="ram keeps decoded images in memory, stream reads the files in each epoch; "
        "auto takes ram if the images fit",
    )
    workers: int = Field(0, ge=0, le=256, description="processes that read files when streaming")
    pin_memory: bool = Field(
        False, description="put batches into page-locked memory for a GPU when streaming"
    )
    prefetch: int = Field(
        2, ge=1, le=64, description="batches that each worker reads ahead when streaming"
    )
