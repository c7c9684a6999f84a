"""Recipe: all that a training stage needs to know."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from spaces.params import Params
from spaces.table import Option, Slot
from spaces.training import OPTIMIZERS, SCHEDULES
from spaces.training.adam import AdamParams
from spaces.training.schedules import WarmupParams


class Augment(Params):
    """Random changes of the training images."""

    flip: bool = Field(False, description="mirror half of the images left to right")
    crop: int = Field(0, ge=0, le=64, description="shift by up to so many pixels")


class Recipe(Params):
    """How a network is trained."""

    epochs: int = Field(ge=0, le=100_000, description="passes over the training part")
    batch_size: int = Field(64, ge=1, le=1_000_000)
    optimizer: Annotated[Option, Slot(OPTIMIZERS)] = Option("adam", AdamParams())
    schedule: Annotated[Option, Slot(SCHEDULES)] = Option("constant", WarmupParams())
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    augment: Augment = Augment()
    amp: Literal["auto", "off", "bfloat16", "float16"] = Field(
        "auto", description="mixed precision; auto: on a GPU"
    )
    channels_last: Literal["auto", "on", "off"] = Field(
        "auto", description="memory layout of images; auto: on a GPU"
    )
    clip: float | None = Field(None, gt=0, description="largest norm of the gradient")

    def to_json(self) -> dict[str, Any]:
        """All fields, defaults included; `Recipe.model_validate` is the inverse."""
        return self.model_dump()
