"""Options that several data sets share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from paretune.spaces.params import Params

if TYPE_CHECKING:
    from paretune.search.data.image_preparation import Color, Preparation

Side = Annotated[int, Field(ge=1, le=4096)]
Sides = Annotated[list[Side], Field(min_length=2, max_length=2)]
"""[height, width]."""

Mean = Annotated[float, Field(ge=0, le=1)]
Deviation = Annotated[float, Field(gt=0, le=1)]
Means = Annotated[list[Mean], Field(min_length=1, max_length=4)]
Deviations = Annotated[list[Deviation], Field(min_length=1, max_length=4)]


def _check_sides(value: Any) -> Any:
    """Refuses what is neither a side in pixels nor [height, width]."""
    sides = value if isinstance(value, list) and len(value) == 2 else [value]
    if value is None or all(type(side) is int and 1 <= side <= 4096 for side in sides):
        return value
    raise ValueError("give pixels from 1 to 4096, or [height, width]")


def _check_scale(value: Any) -> Any:
    """Refuses numbers for pixels from 0 to 255."""
    numbers = value if isinstance(value, list) else [value]
    if any(isinstance(number, int | float) and number > 1 for number in numbers):
        raise ValueError("give it for pixels from 0 to 1; divide numbers for 0 to 255 by 255")
    return value


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

    resize: Annotated[Side | Sides | None, BeforeValidator(_check_sides)] = Field(
        None,
        description="pixels of an image's shorter side, the aspect ratio is kept; or exactly "
        "[height, width]. Like torchvision.transforms.Resize",
    )
    crop: Annotated[Side | Sides | None, BeforeValidator(_check_sides)] = Field(
        None,
        description="pixels of the square, or [height, width], that is cut out of the center after "
        "the resize. Like torchvision.transforms.CenterCrop",
    )
    interpolation: Literal["bilinear", "bicubic", "nearest", "lanczos"] | None = Field(
        None, description="resampling filter of resize; bilinear if not given"
    )
    mean: Annotated[Mean | Means | None, BeforeValidator(_check_scale)] = Field(
        None,
        description="mean that is subtracted from pixels in [0, 1]: one number, or one for each "
        "channel; measured on the training part if not given",
    )
    std: Annotated[Deviation | Deviations | None, BeforeValidator(_check_scale)] = Field(
        None,
        description="standard deviation that divides pixels in [0, 1]: one number, or one for each "
        "channel; measured on the training part if not given",
    )
    preset: Literal["weights"] | None = Field(
        None,
        description="weights: resize, crop, interpolation, mean and std are those that the "
        "baseline's published weights (torchvision, timm) were made for; keys beside it go first",
    )
    memory: Literal["auto", "ram", "stream"] = Field(
        "auto",
        description="ram keeps prepared images in memory, stream prepares them in each epoch; "
        "auto takes ram if the images fit",
    )
    workers: int = Field(
        0,
        ge=0,
        le=256,
        description="processes that read files when streaming, or examples of your own Dataset",
    )
    pin_memory: bool = Field(
        False, description="put batches into page-locked memory for a GPU when streaming"
    )
    prefetch: int = Field(
        2, ge=1, le=64, description="batches that each worker reads ahead when streaming"
    )

    @model_validator(mode="after")
    def _check_normalization(self) -> ImageDataParams:
        if self.preset is None and (self.mean is None) != (self.std is None):
            missing = "mean" if self.mean is None else "std"
            raise ValueError(f"{missing} is missing; give mean and std, or neither of them")
        return self

    @property
    def reshapes(self) -> bool:
        """Whether images are resized or cropped."""
        return self.resize is not None or self.crop is not None

    def normalization(self, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """Returns mean and standard deviation for each channel; None if they are not given.

        Raises:
            ValueError: Their number is not that of the channels.
        """
        if self.mean is None or self.std is None:
            return None
        return _each("mean", self.mean, channels), _each("std", self.std, channels)

    def preparation(self, color: Color, exif: bool = True) -> Preparation:
        """Returns how images become pixels."""
        from paretune.search.data.image_preparation import Preparation

        crop = [self.crop] * 2 if isinstance(self.crop, int) else self.crop
        resize = self.resize
        return Preparation(
            color,
            exif,
            (resize[0], resize[1]) if isinstance(resize, list) else resize,
            None if crop is None else (crop[0], crop[1]),
            self.interpolation or "bilinear",
        )


class ArrayDataParams(ImageDataParams):
    """How arrays are read: as pixels of images, or as tensors of any shape."""

    inputs: Literal["pixels", "tensors"] | None = Field(
        None,
        description="pixels: 8-bit images, normalized; tensors: numbers of any shape, as they are. "
        "If not given, bytes and floats from 0 to 1 in the form of images are pixels",
    )
    normalize: Literal["none", "feature", "channel"] = Field(
        "none",
        description="what of tensors is brought to mean 0 and standard deviation 1, as measured "
        "on the training part: each feature, or each channel (the first axis of an example)",
    )
    vocabulary: int | None = Field(
        None,
        ge=2,
        le=10_000_000,
        description="number of tokens, for inputs that are integers [N, T]; token 0 is padding",
    )

    @model_validator(mode="after")
    def _check_vocabulary(self) -> ArrayDataParams:
        if self.vocabulary is not None and self.inputs is not None:
            raise ValueError("inputs cannot stand beside vocabulary, which means tokens")
        return self


def _each(name: str, values: float | list[float], channels: int) -> tuple[float, ...]:
    """Returns one value for each channel."""
    listed = values if isinstance(values, list) else [values]
    if len(listed) not in (1, channels):
        raise ValueError(
            f"{name} has {len(listed)} values, but the images have {channels} "
            f"{'channel' if channels == 1 else 'channels'}"
        )
    return tuple(float(v) for v in (listed * channels if len(listed) == 1 else listed))
