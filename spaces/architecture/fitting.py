"""Fits an existing network to the data: input channels, number of classes, small images."""

from __future__ import annotations

import torch
from torch import nn


def fit_channels(network: nn.Module, channels: int, keep: bool) -> None:
    """Replaces the first convolution by one with `channels` input channels, if they differ.

    Args:
        network: Changed in place.
        channels: Channels of the images.
        keep: Keep the response of trained weights. The new weights are the mean over the old input
            channels, scaled so that the same image in every channel gives the same output.
    """
    for name, module in network.named_modules():
        if not isinstance(module, nn.Conv2d):
            continue
        if module.in_channels == channels:
            return
        fresh = nn.Conv2d(
            channels,
            module.out_channels,
            module.kernel_size,  # type: ignore[arg-type]
            module.stride,  # type: ignore[arg-type]
            module.padding,  # type: ignore[arg-type]
            module.dilation,  # type: ignore[arg-type]
            bias=module.bias is not None,
        )
        if keep:
            with torch.no_grad():
                mean = module.weight.mean(dim=1, keepdim=True) * (module.in_channels / channels)
                fresh.weight.copy_(mean.expand_as(fresh.weight))
                if module.bias is not None and fresh.bias is not None:
                    fresh.bias.copy_(module.bias)
        replace_module(network, name, fresh)
        return


def fit_classes(network: nn.Module, classes: int) -> None:
    """Replaces the last layer by one with random weights for `classes`, if they differ.

    The last layer can be Linear (ResNet, MobileNet, ViT, ...) or a 1x1 convolution (SqueezeNet).
    """
    heads = [
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d) and not name.startswith("aux")
    ]
    name, head = heads[-1]
    if isinstance(head, nn.Linear):
        if head.out_features != classes:
            replace_module(
                network, name, nn.Linear(head.in_features, classes, bias=head.bias is not None)
            )
    elif head.out_channels != classes:
        replace_module(network, name, nn.Conv2d(head.in_channels, classes, kernel_size=1))


def remove_strides(*parts: nn.Module) -> None:
    """Sets the stride of all convolutions in parts of a network to 1, so that they do not halve."""
    for part in parts:
        for module in part.modules():
            if isinstance(module, nn.Conv2d):
                module.stride = (1, 1)


def replace_module(network: nn.Module, name: str, module: nn.Module) -> None:
    """Replaces the module with this dotted name by another one."""
    parent, _, child = name.rpartition(".")
    setattr(network.get_submodule(parent), child, module)
