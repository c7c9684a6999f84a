"""Residual networks, for small images and for photographs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from paretune.spaces.architecture.image_params import StemParams

if TYPE_CHECKING:
    import torch
    from torch import nn

Count = Annotated[int, Field(ge=1, le=64)]
Width = Annotated[int, Field(ge=4, le=2048)]


class ResNet:
    """Residual networks (https://arxiv.org/abs/1512.03385); 3 stages of 3 blocks are ResNet-20.

    For small images they are the CIFAR networks of section 4.2. With `stem: standard`, width 64 and
    blocks [2, 2, 2, 2] the network is ResNet-18; with bottlenecks and [3, 4, 6, 3] it is ResNet-50.
    """

    version = 2  # version 1 had no stem for large images

    class Params(StemParams):
        """Options of resnet."""

        stages: int | None = Field(
            None,
            ge=1,
            le=5,
            description="number of stages; each after the first halves the image; default: the "
            "length of blocks or widths, else 3",
        )
        blocks: Count | Annotated[list[Count], Field(min_length=1, max_length=5)] = Field(
            3, description="residual blocks per stage: one number for all stages, or a list"
        )
        width: int = Field(
            16,
            ge=4,
            le=512,
            description="channels of the first stage; each further stage doubles them",
        )
        widths: Annotated[list[Width], Field(min_length=1, max_length=5)] | None = Field(
            None, description="channels of each stage; replaces width"
        )
        block: Literal["basic", "bottleneck"] = Field(
            "basic",
            description="kind of residual block: basic is two 3x3 convolutions; bottleneck is "
            "1x1, 3x3, and 1x1 to 4 times the channels",
        )
        shortcut: Literal["projection", "padding"] = Field(
            "projection",
            description="shortcut if the shape changes: projection is a 1x1 convolution; padding "
            "adds channels of zeros and has no weights",
        )

        @model_validator(mode="after")
        def _fits_together(self) -> ResNet.Params:
            lengths = {
                name: length
                for name, length in (
                    ("stages", self.stages),
                    ("blocks", len(self.blocks) if isinstance(self.blocks, list) else None),
                    ("widths", len(self.widths) if self.widths else None),
                )
                if length is not None
            }
            if len(set(lengths.values())) > 1:
                counts = ", ".join(f"{name} gives {length}" for name, length in lengths.items())
                raise ValueError(f"stages, blocks and widths must agree on the stages: {counts}")
            if self.shortcut == "padding" and self.widths and self.widths != sorted(self.widths):
                raise ValueError(
                    f"shortcut: padding cannot remove channels, got widths {self.widths}; give "
                    "widths that do not shrink, or shortcut: projection"
                )
            return self

        def plan(self) -> list[tuple[int, int]]:
            """Returns (blocks, width) of each stage."""
            blocks = self.blocks if isinstance(self.blocks, list) else None
            stages = self.stages or len(blocks or self.widths or (1, 2, 3))
            return list(
                zip(
                    blocks or [self.blocks] * stages,  # type: ignore[list-item]
                    self.widths or [self.width * 2**stage for stage in range(stages)],
                    strict=True,
                )
            )

    @staticmethod
    def build(params: Params, shape: tuple[int, int, int], classes: int) -> torch.nn.Module:
        """Returns a network: [B, C, H, W] -> [B, classes].

        No stage halves an image of fewer than 8 pixels a side.
        """
        from torch import nn

        from paretune.spaces.architecture.blocks import BasicBlock, Bottleneck

        block = BasicBlock if params.block == "basic" else Bottleneck
        plan, small = params.plan(), params.small(shape)
        side = min(shape[1:]) if small else min(shape[1:]) // 4
        channels = plan[0][1]
        layers = _stem(shape[0], channels, small)
        for stage, (count, width) in enumerate(plan):
            stride = 2 if stage > 0 and side >= 8 else 1
            side //= stride
            for index in range(count):
                step = stride if index == 0 else 1
                layers.append(block(channels, width, step, params.shortcut == "padding"))
                channels = width * block.expansion
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)]
        return nn.Sequential(*layers)


def _stem(channels: int, width: int, small: bool) -> list[nn.Module]:
    from torch import nn

    from paretune.spaces.architecture.blocks import conv_bn_relu

    if small:
        return conv_bn_relu(channels, width)
    return [
        *conv_bn_relu(channels, width, kernel=7, stride=2),
        nn.MaxPool2d(3, stride=2, padding=1),
    ]
