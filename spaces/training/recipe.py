"""Recipe: all that a training stage needs to know."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from paretune.spaces.params import Params
from paretune.spaces.table import Option, Slot
from paretune.spaces.training import OPTIMIZERS, SCHEDULES
from paretune.spaces.training.adam import AdamParams
from paretune.spaces.training.warmup import WarmupParams


class RandAugment(Params):
    """RandAugment: random operations, drawn anew for each image."""

    operations: int = Field(0, ge=0, le=14, description="on each image, one after another; 0: off")
    magnitude: float = Field(9.0, ge=0, le=30, description="how strong; 30 is the strongest")


class Augment(Params):
    """Random changes of the training images."""

    flip: bool = Field(False, description="mirror half of the images left to right")
    crop: int = Field(0, ge=0, le=64, description="shift by up to so many pixels")
    randaugment: RandAugment = RandAugment()
    erase: float = Field(0.0, ge=0, le=1, description="share of images with a box erased")
    mixup: float = Field(
        0.0, ge=0, le=100, description="alpha of mixup: blend pairs of images and their labels"
    )
    cutmix: float = Field(
        0.0, ge=0, le=100, description="alpha of CutMix: paste a box of another image"
    )


class EarlyStop(Params):
    """Ends training when the monitored loss no longer improves."""

    patience: int = Field(
        0, ge=0, le=100_000, description="epochs without improvement that end training; 0: off"
    )
    min_delta: float = Field(
        0.0, ge=0, le=1000, description="by how much a lower loss must be lower to count"
    )
    best: bool = Field(False, description="return the weights of the best epoch, not the last")


class Recipe(Params):
    """How a network is trained."""

    epochs: int = Field(ge=0, le=100_000, description="passes over the training part")
    batch_size: int = Field(64, ge=1, le=1_000_000)
    accumulate: int = Field(1, ge=1, le=10_000, description="batches whose gradients make a step")
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
    compile: bool = Field(False, description="torch.compile the training's forward and backward")
    clip: float | None = Field(None, gt=0, description="largest norm of the gradient")
    ema: float | None = Field(
        None, gt=0, lt=1, description="decay of a running mean of the weights, which is returned"
    )
    freeze_epochs: int = Field(
        0, ge=0, le=100_000, description="first epochs in which the classifier alone is trained"
    )
    trunk_lr: float = Field(
        1.0, gt=0, le=1, description="factor of the rate for all layers but the classifier"
    )
    monitor: Literal["training", "validation"] = Field(
        "training",
        description="loss that early_stop and plateau watch; accuracy is measured on validation",
    )
    early_stop: EarlyStop = EarlyStop()

    def to_json(self) -> dict[str, Any]:
        """All fields, defaults included; `Recipe.model_validate` is the inverse."""
        return self.model_dump()
