"""Contents of probe inputs: images, texts, and tensors of any kind, made from a sample."""

from __future__ import annotations

from typing import Any

import torch

from paretune.inputs import Input, Signature
from paretune.nests import Nest

FAINT = 0.2
"""Share of the contrast that is left in a dark or bright image."""

HARSH = 4.0
"""Factor of contrast in an image with few greys left, and of large values."""

SIZES = (2.0, 0.5)
"""Factors of the sizes of axes that vary."""


def image_contents(
    examples: torch.Tensor, black: tuple[float, ...], white: tuple[float, ...]
) -> dict[str, torch.Tensor]:
    """Returns label -> image [C, H, W].

    Args:
        examples: Images [N, C, H, W].
        black: Normalized value of black for each channel; empty if the range is unknown.
        white: The same of white.
    """
    order = examples.flatten(1).mean(1).argsort()
    dark, bright = examples[order[0]], examples[order[-1]]
    any_image = examples[order[len(order) // 2]]
    made = {"the darkest image": dark, "the brightest image": bright, "an image": any_image}
    if not black:
        return {**made, "a faint image": FAINT * bright, "a strong image": HARSH * bright}
    darkest, lightest = (
        torch.tensor(values, dtype=examples.dtype)[:, None, None].expand_as(dark)
        for values in (black, white)
    )
    middle = (darkest + lightest) / 2
    return {
        **made,
        "its negative": darkest + lightest - any_image,
        "in harsh contrast": (middle + HARSH * (any_image - middle)).clamp(darkest, lightest),
        "darkened": darkest + FAINT * (any_image - darkest),
        "brightened": lightest + FAINT * (any_image - lightest),
        "a white image": lightest.clone(),
        "a black image": darkest.clone(),
    }


def text_contents(examples: torch.Tensor, vocabulary: int) -> dict[str, torch.Tensor]:
    """Returns label -> text [length].

    Args:
        examples: Token ids [N, length].
        vocabulary: Number of tokens.
    """
    lengths = (examples != 0).sum(1)
    order = lengths.argsort()
    short, long = examples[order[0]], examples[order[-1]]
    middle = examples[order[len(order) // 2]]
    position = torch.arange(examples.shape[1])
    every = 1 + (position * 7919) % max(vocabulary - 1, 1)
    single = torch.zeros_like(short)
    single[0] = max(int(short[0]), 1)
    return {
        "the longest text": long,
        "the shortest text": short,
        "a text": middle,
        "the same tokens in reverse": _reversed(middle),
        "one token": single,
        "a text without padding": torch.where(long == 0, every, long),
        "many different tokens": every.to(examples.dtype),
    }


def tensor_contents(examples: Nest, signature: Signature) -> dict[str, Nest]:
    """Returns label -> example of any kind: real ones, and each input changed alone and with all.

    Args:
        examples: Real inputs [N, ...].
        signature: What the network takes.
    """
    flat = signature.flat(examples)
    count = len(flat[0])
    first, second, third = 0, (count - 1) // 2, count - 1
    real = [[tensor[i] for tensor in flat] for i in (first, second, third)]
    made = {label: signature.nest(each) for label, each in zip(_REAL, real, strict=True)}
    changed = [
        _changes(each, *(values[i] for values in real)) for i, each in enumerate(signature.inputs)
    ]
    for name in dict.fromkeys(name for each in changed for name in each):
        made[name] = signature.nest([each.get(name, real[0][i]) for i, each in enumerate(changed)])
    if len(signature.inputs) > 1:
        for i, each in enumerate(signature.inputs):
            for name, value in changed[i].items():
                alone = [value if j == i else real[0][j] for j in range(len(real[0]))]
                made[f"{name} in {each.name}"] = signature.nest(alone)
    return made


_REAL = ("an example", "another example", "a third example")


def resized(examples: Nest, signature: Signature, factor: float) -> tuple[Nest, str]:
    """Returns examples [N, ...] with other sizes of the axes that vary, and the sizes as text.

    Longer axes repeat the content, shorter ones are cut.
    """
    changed: list[Any] = []
    sizes: dict[str, int] = {}
    for each, tensor in zip(signature.inputs, signature.flat(examples), strict=True):
        for axis, name in each.dynamic:
            size = tensor.shape[axis + 1]
            wanted = sizes.setdefault(name, max(1, round(factor * size)))
            tensor = tensor.index_select(axis + 1, torch.arange(wanted) % size)
        changed.append(tensor)
    text = ", ".join(f"{name} {size}" for name, size in sizes.items())
    return signature.nest(changed), f"with {text}"


def _changes(
    each: Input, value: torch.Tensor, second: torch.Tensor, third: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Returns label -> changed value of one input.

    Integers without a limit may be lengths or positions: they keep values of real examples.
    """
    if value.is_floating_point():
        return {
            "zeros": torch.zeros_like(value),
            "large values": HARSH * second,
            "negative values": -value,
            "shuffled values": _shuffled(value),
        }
    if value.dtype == torch.bool or each.limit is None:
        return {"values of another example": third}
    top = max(each.limit - 1, 1)
    every = 1 + (torch.arange(value.numel()) * 7919) % top if each.limit > 1 else value.flatten()
    return {
        "values of another example": third,
        "shuffled values": _shuffled(value),
        "many different values": every.reshape(value.shape).to(value.dtype),
    }


def _shuffled(value: torch.Tensor) -> torch.Tensor:
    order = torch.randperm(value.numel(), generator=torch.Generator().manual_seed(0))
    return value.flatten()[order].reshape(value.shape)


def _reversed(text: torch.Tensor) -> torch.Tensor:
    """Returns a text with its tokens in reverse order and its padding at the end."""
    tokens, padding = text[text != 0], text[text == 0]
    return torch.cat([tokens.flip(0), padding])
