"""Recipe: all options of a training stage."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from paretune.spaces.params import Params
from paretune.spaces.table import Option, Slot
from paretune.spaces.training import OPTIMIZERS, SCHEDULES
from paretune.spaces.training.adam import AdamParams
from paretune.spaces.training.losses import LOSSES
from paretune.spaces.training.warmup import WarmupParams


class RandAugment(Params):
    """Options of RandAugment: random operations, drawn separately for each image."""

    operations: int = Field(
        0, ge=0, le=14, description="number of random operations on each image; 0: off"
    )
    magnitude: float = Field(
        9.0, ge=0, le=30, description="strength of the operations; 30 is the strongest"
    )


class Augment(Params):
    """Random changes of the training images."""

    flip: bool = Field(False, description="mirror half of the images left to right")
    crop: int = Field(0, ge=0, le=64, description="shift images by up to this many pixels; 0: off")
    randaugment: RandAugment = Field(
        RandAugment(), description="RandAugment: random geometric and colour operations"
    )
    erase: float = Field(
        0.0, ge=0, le=1, description="share of images in which a random box is erased"
    )
    mixup: float = Field(
        0.0,
        ge=0,
        le=100,
        description="alpha of mixup, which blends pairs of images and their labels; 0: off",
    )
    cutmix: float = Field(
        0.0,
        ge=0,
        le=100,
        description="alpha of CutMix, which pastes a box of another image; 0: off",
    )


class EarlyStop(Params):
    """Ends training when the monitored loss no longer improves."""

    patience: int = Field(
        0, ge=0, le=100_000, description="epochs without improvement that end training; 0: off"
    )
    min_delta: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="smallest decrease of the loss that counts as an improvement",
    )
    best: bool = Field(
        False, description="return the weights of the best epoch instead of the last one"
    )


class Recipe(Params):
    """Options of a network's training."""

    epochs: int = Field(ge=0, le=100_000, description="passes over the training part")
    batch_size: int = Field(64, ge=1, le=1_000_000, description="training examples in a batch")
    accumulate: int = Field(
        1,
        ge=1,
        le=10_000,
        description="batches that make one optimizer step (gradient accumulation)",
    )
    optimizer: Annotated[Option, Slot(OPTIMIZERS)] = Option("adam", AdamParams())
    schedule: Annotated[Option, Slot(SCHEDULES)] = Option("constant", WarmupParams())
    loss: Annotated[Option | None, Slot(LOSSES, optional=True)] = Field(
        None,
        description="loss to minimize, or the dotted path of your own; default: the task's loss",
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="share of each label that is spread evenly over all classes"
    )
    augment: Augment = Field(Augment(), description="random changes of the training images")
    amp: Literal["auto", "off", "bfloat16", "float16"] = Field(
        "auto", description="mixed precision; auto turns it on for a GPU"
    )
    channels_last: Literal["auto", "on", "off"] = Field(
        "auto", description="channels-last memory layout; auto turns it on for images on a GPU"
    )
    compile: bool = Field(
        False, description="compile the training's forward and backward pass with torch.compile"
    )
    clip: float | None = Field(
        None, gt=0, description="largest norm of the gradient; a larger gradient is scaled down"
    )
    ema: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="decay of a running mean of the weights; the stage returns the mean",
    )
    freeze_epochs: int = Field(
        0, ge=0, le=100_000, description="first epochs, in which only the last layer is trained"
    )
    trunk_lr: float = Field(
        1.0,
        gt=0,
        le=1,
        description="factor of the learning rate for all layers except the last one",
    )
    monitor: Literal["training", "validation"] = Field(
        "training",
        description="loss that early_stop and the schedule plateau monitor; the search scores "
        "networks on validation",
    )
    early_stop: EarlyStop = Field(
        EarlyStop(), description="end of training when the monitored loss no longer improves"
    )

    @model_validator(mode="after")
    def _smoothing_fits_the_loss(self) -> Recipe:
        if self.loss and self.label_smoothing:
            if self.loss.name != "cross_entropy":
                raise ValueError(
                    "label_smoothing changes the cross-entropy only; leave it out, or leave out "
                    f"loss: {self.loss.name}"
                )
            if getattr(self.loss.params, "label_smoothing", 0):
                raise ValueError("label_smoothing is given twice; leave one of them out")
        return self

    @model_serializer(mode="wrap")
    def _without_unset_loss(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leaves an unset loss out: older recipes have no such field, and keys depend on it."""
        fields: dict[str, Any] = dump(self)
        return {name: value for name, value in fields.items() if name != "loss" or value}

    def to_json(self) -> dict[str, Any]:
        """Returns all fields, including defaults; `Recipe.model_validate` is the inverse."""
        return self.model_dump()
