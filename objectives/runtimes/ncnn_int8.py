"""Static int8 of ncnn networks, as ncnn's own tools make it.

The package `ncnn` has the int8 kernels, but not the tools ncnn2table and ncnn2int8. This module
writes what they write (tools/quantize/ncnn2table.cpp and ncnn2int8.cpp of ncnn 2026-10):

- weights in int8, symmetric, with a scale for each output channel: 127 / largest magnitude,
- activations in int8, symmetric, with one scale,
- results that only int8 layers read are handed on in int8 (`fuse_requantize`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.ncnn_conversion import NcnnNetwork
from paretune.objectives.runtimes.ncnn_file import net_of
from paretune.objectives.runtimes.ncnn_graph import NcnnLayer, layers_text, readers_of
from paretune.objectives.runtimes.ncnn_ranges import thresholds
from paretune.objectives.runtimes.ncnn_weights import bytes_reader, weight_parts

if TYPE_CHECKING:
    import numpy as np

INT8_TAG = (0x000D4B38).to_bytes(4, "little")
"""What stands before int8 weights in a .bin file."""

TAG_BYTES = 4
"""Bytes before weights that tell their type; zero for float32."""

REQUANTIZED = 100
"""What is added to the option int8_scale_term of a layer that hands on int8."""

CONVOLUTIONS = ("Convolution", "ConvolutionDepthWise")

SCALE_TERM, DYNAMIC_WEIGHT = 8, 19
"""Keys of options of a convolution."""


@dataclass(frozen=True)
class _Weights:
    """Where the numbers of a layer are in its part of the .bin file.

    Attributes:
        count: Numbers of its weight.
        rows: Rows that have a scale each: output channels, or groups.
        bias: Numbers of its bias.
        term: Value of int8_scale_term.
    """

    count: int
    rows: int
    bias: int
    term: int


def quantize(
    network: NcnnNetwork, options: Mapping[str, Any], examples: Sequence[Sequence[np.ndarray]]
) -> tuple[list[NcnnLayer], bytes, dict[str, Any]]:
    """Returns the layers and weights of the int8 network, and a note of what stays in float.

    Args:
        network: The network in float32.
        options: Options of static int8: per_channel, calibration, percentile, keep, kept.
        examples: Arrays for the inputs of the network, for each example.

    Raises:
        Unmeasurable: A layer that should stay in float is not in the network, or none is left.
    """
    parts = weight_parts(network.layers, network.weights)
    kept = _kept(network, parts, options)
    chosen = [
        layer for layer in network.layers if _weights(layer) is not None and layer.name not in kept
    ]
    if not chosen:
        raise Unmeasurable("no layer is left that ncnn can compute in int8")
    net = net_of(layers_text(network.layers), bytes_reader(network.weights), 1)
    blobs = list(dict.fromkeys(layer.bottoms[0] for layer in chosen))
    ranges = thresholds(net, network.inputs, blobs, examples, options)
    scales = {layer.name: 127 / (ranges[layer.bottoms[0]] or 127.0) for layer in chosen}
    layers, contents = [], []
    for layer in network.layers:
        part = parts[layer.name]
        if layer.name in scales:
            handed_on = _handed_on(layer, network.layers, scales)
            layer, part = _int8(layer, part, scales[layer.name], handed_on, options["per_channel"])
        layers.append(layer)
        contents.append(part)
    info = {
        "kept": list(options.get("kept", [])),
        "int8_layers": len(chosen),
        "float_layers": _float_layers(network, parts, scales),
    }
    return layers, b"".join(contents), info


def _float_layers(
    network: NcnnNetwork, parts: Mapping[str, bytes], int8: Collection[str]
) -> dict[str, int]:
    """Returns type -> number of the layers with weights that stay in float."""
    types = [each.type for each in network.layers if parts[each.name] and each.name not in int8]
    return dict(sorted(Counter(types).items()))


def _weights(layer: NcnnLayer) -> _Weights | None:
    """Returns where the numbers of a layer are; None if ncnn has no int8 for it."""
    if layer.type == "InnerProduct":
        rows = layer.number(0)
        return _Weights(layer.number(2), rows, rows * layer.number(1), 2)
    if layer.type not in CONVOLUTIONS or layer.number(DYNAMIC_WEIGHT):
        return None
    outputs = layer.number(0)
    bias = outputs * layer.number(5)
    if layer.type == "Convolution":
        return _Weights(layer.number(6), outputs, bias, 2)
    return _Weights(layer.number(6), layer.number(7, 1), bias, 1)


def _kept(network: NcnnNetwork, parts: Mapping[str, bytes], options: Mapping[str, Any]) -> set[str]:
    """Returns the layers that stay in float.

    Raises:
        Unmeasurable: A module that is named is not in the network.
    """
    modules = {
        layer.name: network.modules.get(_digest(layer, parts[layer.name]), [])
        for layer in network.layers
        if _weights(layer) is not None
    }
    kept: set[str] = set()
    for module in options.get("kept", ()):
        layers = {name for name, names in modules.items() if module in names}
        if not layers:
            raise Unmeasurable(
                f'the layer "{module}", which should stay in float, is not in the exported '
                "network; type keep_float: 0"
            )
        kept |= layers
    within = options.get("keep", ())
    if within and not any(
        _within(name, within) for each in network.modules.values() for name in each
    ):
        raise Unmeasurable(
            f"{', '.join(within)}, which `keep` names, is not in the exported network; name "
            "modules that `forward` calls"
        )
    kept |= {
        layer for layer, names in modules.items() if any(_within(name, within) for name in names)
    }
    return kept


def _within(name: str, modules: Collection[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def _digest(layer: NcnnLayer, part: bytes) -> str:
    weights = _weights(layer)
    assert weights is not None
    return hashlib.sha256(part[TAG_BYTES : TAG_BYTES + 4 * weights.count]).hexdigest()


def _int8(
    layer: NcnnLayer, part: bytes, scale: float, handed_on: float | None, per_channel: bool
) -> tuple[NcnnLayer, bytes]:
    """Returns a layer in int8 and its part of the .bin file."""
    import numpy as np

    weights = _weights(layer)
    assert weights is not None
    numbers = np.frombuffer(part[TAG_BYTES:], np.float32)
    rows = numbers[: weights.count].reshape(weights.rows, -1)
    bias = numbers[weights.count : weights.count + weights.bias]
    scales = _weight_scales(rows, _largest(layer), per_channel)
    rounded = np.clip(_round(rows * scales[:, None]), -127, 127).astype(np.int8).tobytes()
    term = weights.term + (REQUANTIZED if handed_on is not None else 0)
    tail = np.array([scale, *([] if handed_on is None else [handed_on])], np.float32)
    content = b"".join(
        [
            INT8_TAG,
            rounded,
            bytes(-len(rounded) % 4),
            bias.tobytes(),
            scales.tobytes(),
            tail.tobytes(),
        ]
    )
    return layer.with_options(_8=str(term)), content


def _round(values: np.ndarray) -> np.ndarray:
    """Rounds half away from zero, as C's `roundf`."""
    import numpy as np

    rounded: np.ndarray = np.trunc(values + np.copysign(np.float32(0.5), values))
    return rounded


def _largest(layer: NcnnLayer) -> int:
    """Returns the integer that the largest weight becomes: 31 where ncnn uses Winograd's method."""
    width = layer.number(1)
    is_3x3 = layer.type == "Convolution" and width == layer.number(11, width) == 3
    steps = [layer.number(2, 1), layer.number(3, 1)]
    steps += [layer.number(12, steps[0]), layer.number(13, steps[1])]
    return 31 if is_3x3 and set(steps) == {1} else 127


def _weight_scales(rows: np.ndarray, largest: int, per_channel: bool) -> np.ndarray:
    import numpy as np

    tops = np.abs(rows).max(axis=1)
    if not per_channel:
        tops = np.full_like(tops, tops.max())
    scales: np.ndarray = (largest / np.where(tops == 0, largest, tops)).astype(np.float32)
    return scales


def _handed_on(
    layer: NcnnLayer, layers: Sequence[NcnnLayer], scales: Mapping[str, float]
) -> float | None:
    """Returns the scale of a convolution's result if only int8 convolutions read it."""
    if layer.type not in CONVOLUTIONS:
        return None
    readers = list(_readers(layers, layer.tops[0]))
    if readers and all(each.type in CONVOLUTIONS and each.name in scales for each in readers):
        return scales[readers[0].name]
    return None


def _readers(layers: Sequence[NcnnLayer], blob: str) -> Iterator[NcnnLayer]:
    """Yields the layers that read a blob, also through one Split.

    An output of the network has no reader. A Split with such a copy yields itself, which is no
    convolution.
    """
    for layer in readers_of(layers, blob):
        if layer.type != "Split":
            yield layer
            continue
        for copy in layer.tops:
            yield from readers_of(layers, copy)
            if not any(readers_of(layers, copy)):
                yield layer
