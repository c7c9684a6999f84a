"""A small network of each family, for each kind of input, and the outputs that it must give."""

from __future__ import annotations

from typing import Any

from paretune.inputs import Shape, Tokens, kind_of
from paretune.spaces.architecture import ARCHITECTURES, takes
from paretune.task import Outputs, Per

SMALL: dict[str, dict[str, Any]] = {
    "simple_cnn": {"width": 0.25},
    "separable_cnn": {"width": 0.25},
    "resnet": {"blocks": 1, "width": 8},
    "mobilenet_v1": {"width": 0.125},
    "mobilenet_v2": {"width": 0.25},
    "mobilenet_v3": {"width": 0.25},
    "efficientnet": {"width": 0.25, "depth": 0.25},
    "shufflenet_v2": {"width": 0.25},
    "squeezenet": {"width": 0.25},
    "regnet": {"depth": 4, "w_0": 16, "w_a": 8.0, "w_m": 2.0},
    "vit": {"depth": 2, "width": 24},
    "staged": {"stages": [{"width": 8, "kernel": 5, "se": True}, {"width": 16}], "head_width": 32},
    "timm": {"name": "test_resnet"},
    "torchvision": {"name": "mobilenet_v3_small"},
    "mlp": {"widths": [16, 12], "norm": "batch"},
    "conv1d": {"width": 8, "depth": 2},
    "unet": {"width": 4, "depth": 2},
    "segmenter": {"name": "lraspp_mobilenet_v3_large"},
    "detector": {"width": 8, "neck": 8, "stride": 4},
    "text_transformer": {"width": 16, "heads": 2},
    "text_decoder": {"width": 16, "heads": 2},
    "transformers": {
        "model": "albert",
        "config": {
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "embedding_size": 8,
        },
    },
    "python": {"factory": "user_nets:tiny"},
}
"""Parameters of a small network of each family, so that the suites are quick."""

SHAPES: list[Shape] = [
    (3, 32, 32),
    (1, 8, 8),
    (2, 16, 12),
    (3, 20),
    (1, 7),
    (5,),
    (1,),
    Tokens(9, 11),
]
"""Images, series, features and a text."""


def kinds(name: str) -> tuple[str, ...]:
    """Returns the kinds of inputs that the suites try; the user's network takes images."""
    tried = ("images", "series", "features", "text")
    return ("images",) if name == "python" else tuple(k for k in tried if takes(name, k))  # type: ignore[arg-type]


def cases() -> list[tuple[str, Shape]]:
    """Returns (family, shape) for each shape of a kind that the family takes."""
    return [(n, s) for n in ARCHITECTURES.names for s in SHAPES if kind_of(s) in kinds(n)]


def first_shape(name: str) -> Shape:
    """Returns a small shape that a family takes."""
    return next(s for s in SHAPES[1:] if kind_of(s) in kinds(name))


def wanted(name: str, size: int = 7) -> Outputs:
    """Returns the outputs of a task for which a family gives networks."""
    per: Per = getattr(ARCHITECTURES.get(name), "gives", "example")
    return Outputs(size, "example" if name == "python" else per)


def output_shape(name: str, shape: Shape, batch: int, size: int = 7) -> tuple[int, ...]:
    """Returns the shape that a network's outputs must have."""
    per = wanted(name).per
    if per == "cell":
        assert isinstance(shape, tuple)
        return (batch, size, -(-shape[1] // 4), -(-shape[2] // 4))
    if per == "pixel":
        assert isinstance(shape, tuple)
        return (batch, size, *shape[1:])
    if per == "position":
        assert isinstance(shape, Tokens)
        return (batch, shape.length, size)
    return (batch, size)
