"""The inputs of networks: images, texts, series, features, or several tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from paretune.nests import Nest, mapped

if TYPE_CHECKING:  # torch takes seconds to import, and Params modules name shapes only
    import torch

ImageShape = tuple[int, int, int]
"""(C, H, W): float32 [B, C, H, W], normalized."""


class Tokens(NamedTuple):
    """A text: int64 token ids [B, length] in [0, vocabulary); 0 is padding."""

    length: int
    vocabulary: int


TextShape = Tokens

Kind = Literal["images", "text", "series", "features", "tensors"]
"""Images (C, H, W), text `Tokens`, series (C, T), features (F,); tensors are anything else."""

INPUT = "input"
"""Name of a single input."""

PADDING = 0
"""The token that fills a text up to its length."""


@dataclass(frozen=True)
class Input:
    """One tensor that a network takes.

    Attributes:
        name: Its name: the key in a dict of inputs, "input" for a single one, else "input_0".
        shape: Shape of one example, without the batch axis. Axes that vary have the size that
            latency is measured at.
        dtype: "float32", or an integer type such as "int64" or "uint8", or "bool".
        limit: Integers lie in [0, limit); None for floats, and if no limit is known.
        dynamic: (axis of `shape`, name) of each axis whose size varies: ((1, "height"),).
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    limit: int | None = None
    dynamic: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Signature:
    """The inputs of a network that takes several, or one that no plain shape describes.

    Attributes:
        inputs: Its inputs, in order.
        form: "tensor" for a single one, called as `model(x)`; "tuple", called as `model(*inputs)`;
            or "dict", called as `model(**inputs)`.
    """

    inputs: tuple[Input, ...]
    form: Literal["tensor", "tuple", "dict"] = "tensor"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the inputs, in order."""
        return tuple(each.name for each in self.inputs)

    def nest(self, flat: Sequence[Any]) -> Nest:
        """Returns tensors or arrays in the form that the network takes."""
        if self.form == "tensor":
            return flat[0]
        if self.form == "tuple":
            return tuple(flat)
        return dict(zip(self.names, flat, strict=True))

    def flat(self, nest: Nest) -> tuple[Any, ...]:
        """Returns the tensors or arrays of a nest in the order of the inputs."""
        if self.form == "tensor":
            return (nest,)
        if self.form == "tuple":
            return tuple(nest)
        return tuple(nest[name] for name in self.names)


Shape = tuple[int, ...] | Tokens | Signature
"""What a network takes: a plain shape of float32 examples, `Tokens`, or a `Signature`."""


def signature_of(shape: Shape) -> Signature:
    """Returns any shape as a signature."""
    if isinstance(shape, Signature):
        return shape
    if isinstance(shape, Tokens):
        return Signature((Input(INPUT, (shape.length,), "int64", shape.vocabulary),))
    return Signature((Input(INPUT, tuple(shape)),))


def kind_of(shape: Shape) -> Kind:
    """Returns the kind of the inputs; "tensors" for several, and for other types and ranks."""
    if isinstance(shape, Tokens):
        return "text"
    if isinstance(shape, Signature):
        if shape.form != "tensor" or shape.inputs[0].dtype != "float32":
            return "tensors"
        shape = shape.inputs[0].shape
    kinds: dict[int, Kind] = {1: "features", 2: "series", 3: "images"}
    return kinds.get(len(shape), "tensors")


def single_shape(shape: Shape) -> tuple[int, ...]:
    """Returns the plain shape of a network with one input of floats; a `Tokens` stays one."""
    if isinstance(shape, Signature):
        assert shape.form == "tensor", "a family takes one input"
        return shape.inputs[0].shape
    return shape


def varies(shape: Shape) -> bool:
    """Returns whether an axis of an input has a size that varies."""
    return isinstance(shape, Signature) and any(each.dynamic for each in shape.inputs)


def image_shape(shape: Shape) -> ImageShape:
    """Returns (C, H, W) of a network for images."""
    channels, height, width = single_shape(shape)
    return channels, height, width


def example(shape: Shape, batch: int = 1) -> Any:
    """Returns inputs for tracing and counting: zeros; ones for integers, such as token 1.

    Args:
        shape: What the network takes.
        batch: Number of examples.

    Returns:
        A tensor, or a tuple or dict of tensors, as the network takes it.
    """
    signature = signature_of(shape)
    return signature.nest([_example(each, batch) for each in signature.inputs])


def _example(each: Input, batch: int) -> torch.Tensor:
    import torch

    dtype = getattr(torch, each.dtype)
    make = torch.zeros if dtype.is_floating_point else torch.ones
    return make(batch, *each.shape, dtype=dtype)


def random_example(shape: Shape, batch: int, seed: int) -> Any:
    """Returns inputs to compare two networks on: normal noise, or random integers above 0.

    Args:
        shape: What the network takes.
        batch: Number of examples.
        seed: The same seed gives the same input.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)

    def drawn(each: Input) -> torch.Tensor:
        zeros = _example(each, batch)
        if zeros.is_floating_point():
            return torch.randn(zeros.shape, generator=generator)
        limit = 2 if zeros.dtype == torch.bool else max(2, each.limit or 2)
        return torch.randint(1, limit, zeros.shape, generator=generator).to(zeros.dtype)

    signature = signature_of(shape)
    return signature.nest([drawn(each) for each in signature.inputs])


def call(model: Any, inputs: Nest) -> Any:
    """Calls a network: a tuple gives positional arguments, a mapping gives keyword arguments."""
    if isinstance(inputs, Mapping):
        return model(**inputs)
    if isinstance(inputs, tuple | list):
        return model(*inputs)
    return model(inputs)


def moved(nest: Nest, device: str) -> Nest:
    """Returns a nest with its tensors on a device; other leaves stay as they are."""
    import torch

    return mapped(nest, lambda x: x.to(device) if isinstance(x, torch.Tensor) else x)


def shape_text(shape: Shape) -> str:
    """Returns a shape in words: `32x32 pixels and 3 channels`, `128 tokens of 8000`."""
    if isinstance(shape, Tokens):
        return f"{shape.length} tokens of {shape.vocabulary}"
    if isinstance(shape, Signature):
        return ", ".join(f"{each.name} {_input_text(each)}" for each in shape.inputs)
    if len(shape) == 3:
        channels, height, width = shape
        return f"{height}x{width} pixels and {channels} channel{'s' if channels > 1 else ''}"
    if len(shape) == 2:
        return f"{shape[1]} steps of {shape[0]} value{'s' if shape[0] > 1 else ''}"
    if len(shape) == 1:
        return f"{shape[0]} value{'s' if shape[0] > 1 else ''}"
    return f"shape {list(shape)}"


def _input_text(each: Input) -> str:
    names = dict(each.dynamic)
    sizes = [f"{names[i]} {size}" if i in names else str(size) for i, size in enumerate(each.shape)]
    return f"{each.dtype} [{', '.join(sizes)}]"


def shape_json(shape: Shape) -> Any:
    """Returns a shape as JSON, for `shape_of_json`: a list for images, series and features."""
    if isinstance(shape, Tokens):
        return {"tokens": shape.length, "vocabulary": shape.vocabulary}
    if isinstance(shape, Signature):
        return {
            "form": shape.form,
            "inputs": [
                {
                    "name": each.name,
                    "shape": list(each.shape),
                    "dtype": each.dtype,
                    "limit": each.limit,
                    "dynamic": [list(axis) for axis in each.dynamic],
                }
                for each in shape.inputs
            ],
        }
    return list(shape)


def sizes(shape: Shape) -> Any:
    """Returns a shape as JSON for conditions and facts: as `shape_json`, but a list for text."""
    return list(shape) if isinstance(shape, Tokens) else shape_json(shape)


def shape_of_json(value: Any) -> Shape:
    """Returns the shape that `shape_json` wrote."""
    if isinstance(value, Mapping) and "tokens" in value:
        return Tokens(int(value["tokens"]), int(value["vocabulary"]))
    if isinstance(value, Mapping):
        inputs = tuple(
            Input(
                each["name"],
                tuple(each["shape"]),
                each["dtype"],
                each["limit"],
                tuple((int(axis), str(name)) for axis, name in each["dynamic"]),
            )
            for each in value["inputs"]
        )
        return Signature(inputs, value["form"])
    return tuple(int(size) for size in value)
