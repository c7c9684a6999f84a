"""Takes apart the .bin file of ncnn, in which the weights of all layers follow one another."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.ncnn_graph import NcnnLayer, layers_text


def weight_parts(layers: Sequence[NcnnLayer], weights: bytes) -> dict[str, bytes]:
    """Returns layer -> its part of the .bin file; empty for a layer without weights.

    The file does not say where a part ends. So ncnn itself loads each layer alone, and what it
    reads is counted.

    Args:
        layers: The layers, in order.
        weights: The .bin file.

    Raises:
        Unmeasurable: ncnn cannot load a layer.
    """
    reader = bytes_reader(weights)
    parts = {}
    for layer in layers:
        begin = reader.position
        if layer.type not in ("Input", "Split"):
            _load_alone(layer, reader)
        parts[layer.name] = weights[begin : reader.position]
    return parts


def _load_alone(layer: NcnnLayer, reader: Any) -> None:
    import ncnn

    inputs = [
        NcnnLayer("Input", f"input {blob}".replace(" ", "_"), (), (blob,)) for blob in layer.bottoms
    ]
    net = ncnn.Net()
    if net.load_param_mem(layers_text([*inputs, layer])) or net.load_model(reader):
        raise Unmeasurable(f"ncnn cannot load the layer {layer.name} ({layer.type})")


def bytes_reader(content: bytes) -> Any:
    """Returns an ncnn.DataReader on bytes; its `position` is the next byte."""
    import ncnn

    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]

    class BytesReader(ncnn.DataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.position = 0

        def read(self, buffer: Any, size: int) -> int:
            part = content[self.position : self.position + size]
            ctypes.memmove(pointer(buffer, None), part, len(part))
            self.position += len(part)
            return len(part)

    return BytesReader()
