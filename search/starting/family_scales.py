"""Smaller networks of a family: which parameters make it narrower, shallower or lighter. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Scale:
    """A parameter of a family that is scaled down.

    Attributes:
        name: Name of the parameter.
        shares: Shares of the baseline's value to try.
        multiple: The value is a multiple of this; 0 for a factor that may be any number.
        least: Smallest value.
    """

    name: str
    shares: tuple[float, ...]
    multiple: int = 0
    least: float = 0.0


FACTOR = (Scale("width", (0.25, 0.5)),)
"""Families whose `width` is a factor on all channels."""

SCALES: Mapping[str, tuple[Scale, ...]] = {
    **dict.fromkeys(
        (
            "simple_cnn",
            "separable_cnn",
            "mobilenet_v1",
            "mobilenet_v2",
            "mobilenet_v3",
            "shufflenet_v2",
            "squeezenet",
        ),
        FACTOR,
    ),
    "resnet": (Scale("width", (0.5,), 4, 4), Scale("blocks", (0.34, 0.67), 1, 1)),
    "vit": (Scale("depth", (0.34, 0.67), 1, 1),),
    "mlp": (Scale("width", (0.25, 0.5), 4, 8), Scale("depth", (0.5,), 1, 1)),
    "conv1d": (Scale("width", (0.25, 0.5), 4, 4), Scale("depth", (0.67,), 1, 1)),
    "unet": (Scale("width", (0.5, 0.75), 4, 4), Scale("depth", (0.67,), 1, 1)),
    "detector": (Scale("width", (0.5, 0.75), 4, 4), Scale("neck", (0.5,), 8, 8)),
    "text_transformer": (Scale("layers", (0.5,), 1, 1), Scale("width", (0.5,), 16, 16)),
    "text_decoder": (Scale("layers", (0.5,), 1, 1), Scale("width", (0.5,), 16, 16)),
}
"""Family -> its parameters to scale. Others have no single parameter that scales them."""


LIGHTER: Mapping[str, Mapping[str, str]] = {
    "unet": {"kind": "separable", "up": "bilinear"},
    "conv1d": {"kind": "separable"},
    "detector": {"kind": "separable"},
}
"""Family -> parameter -> the option with fewer multiply-adds."""


def scaled_params(family: str, params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields {parameter: smaller value or lighter option} of each network to try.

    Args:
        family: Name of the architecture.
        params: The baseline's parameters, with defaults.
    """
    for scale in SCALES.get(family, ()):
        if params.get(f"{scale.name}s") is not None:
            continue  # a list of widths replaces the single one
        value = params.get(scale.name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue
        seen = set()
        for share in scale.shares:
            smaller = _scaled(value, share, scale)
            if smaller < value and smaller not in seen:
                seen.add(smaller)
                yield {scale.name: smaller}
    for name, option in LIGHTER.get(family, {}).items():
        if params.get(name, option) != option:
            yield {name: option}


def _scaled(value: float, share: float, scale: Scale) -> float:
    if not scale.multiple:
        return float(f"{value * share:.3g}")
    steps = round(value * share / scale.multiple)
    return int(max(scale.least, steps * scale.multiple))
