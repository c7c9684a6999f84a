"""Rewrites the integers of a converted network for ncnn, which computes with floats.

Token ids stay integers where an embedding looks them up. Everywhere else an integer input is fed
as float32, and comparisons of integers become arithmetic: `ids != 0` is min(|ids - 0|, 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.ncnn_graph import NcnnLayer, makers_of

INTEGERS = ("i64", "i32", "i16", "i8", "u8", "bool")
"""pnnx's names of the types that hold whole numbers."""

SHAPING = ("Reshape", "ExpandDims", "Squeeze", "Flatten", "Noop", "Permute")
"""Layers that move values without computing."""

ADD, SUBTRACT, REVERSED_SUBTRACT = 0, 1, 7
"""Operations of BinaryOp."""


@dataclass(frozen=True)
class NcnnInput:
    """A blob that a session feeds.

    Attributes:
        blob: Name of the blob.
        index: Index of the network's input that it takes.
        type: "float32", or "int32" for ids of an embedding.
    """

    blob: str
    index: int
    type: str


def without_integers(
    layers: Sequence[NcnnLayer], pnnx: Sequence[NcnnLayer]
) -> tuple[list[NcnnLayer], list[NcnnInput]]:
    """Returns the layers that ncnn can run, and what a session feeds.

    Args:
        layers: Layers from pnnx for ncnn. It leaves operators that ncnn lacks under torch's name.
        pnnx: Layers of the same network in pnnx's form, with types and options of these operators.

    Raises:
        Unmeasurable: An integer operation has no counterpart.
    """
    origin = {layer.name: layer for layer in pnnx}
    rewritten = [new for layer in layers for new in _computable(layer, origin.get(layer.name))]
    return _with_ids(rewritten)


def _computable(layer: NcnnLayer, origin: NcnnLayer | None) -> list[NcnnLayer]:
    if origin is None or not _reads_integers(origin):
        return [layer]
    if layer.type == "Tensor.to":
        return [replace(layer, type="Noop", options={})]
    name = layer.type.removeprefix("torch.")
    if name in COMPARISONS and _is_number(origin.options.get("other", "")):
        return _comparison(layer, COMPARISONS[name], float(origin.options["other"]))
    return [layer]


def _reads_integers(origin: NcnnLayer) -> bool:
    types = [origin.options.get(f"#{blob}", "").rpartition(")")[2] for blob in origin.bottoms]
    return bool(types) and all(kind in INTEGERS for kind in types)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


COMPARISONS: Mapping[str, tuple[int, bool, float, bool]] = {
    "ne": (SUBTRACT, True, 0.0, False),
    "eq": (SUBTRACT, True, 0.0, True),
    "gt": (SUBTRACT, False, 0.0, False),
    "ge": (SUBTRACT, False, 1.0, False),
    "lt": (REVERSED_SUBTRACT, False, 0.0, False),
    "le": (REVERSED_SUBTRACT, False, 1.0, False),
}
"""Comparison of x and c -> how a difference (x - c or c - x) becomes 0 or 1: take its magnitude,
add a number, cut to [0, 1], and take 1 minus that. It is exact for whole numbers."""


def _comparison(
    layer: NcnnLayer, rule: tuple[int, bool, float, bool], constant: float
) -> list[NcnnLayer]:
    operation, magnitude, shift, negated = rule
    steps = [("BinaryOp", {"0": str(operation), "1": "1", "2": repr(constant)})]
    if magnitude:
        steps.append(("AbsVal", {}))
    if shift:
        steps.append(("BinaryOp", {"0": str(ADD), "1": "1", "2": repr(shift)}))
    steps.append(("Clip", {"0": "0.0", "1": "1.0"}))
    if negated:
        steps.append(("BinaryOp", {"0": str(REVERSED_SUBTRACT), "1": "1", "2": "1.0"}))
    blobs = [
        *layer.bottoms,
        *(f"{layer.name}_{step}" for step in range(1, len(steps))),
        *layer.tops,
    ]
    return [
        NcnnLayer(kind, f"{layer.name}_{step}", (blobs[step],), (blobs[step + 1],), options)
        for step, (kind, options) in enumerate(steps)
    ]


def _with_ids(layers: list[NcnnLayer]) -> tuple[list[NcnnLayer], list[NcnnInput]]:
    """Feeds integers to embeddings: the input itself, or a copy of it beside the float one."""
    inputs = [layer.tops[0] for layer in layers if layer.type == "Input"]
    types = dict.fromkeys(inputs, "float32")
    copies: dict[str, int] = {}
    for layer in layers:
        if layer.type != "Embed":
            continue
        blob = _source(layer, makers_of(layers))
        if blob in types:
            types[blob] = "int32"
            continue
        copies[blob] = inputs.index(_source_of_split(blob, layers, inputs))
    fed = [NcnnInput(blob, index, types[blob]) for index, blob in enumerate(inputs)]
    fed += [NcnnInput(blob, index, "int32") for blob, index in copies.items()]
    return _with_copies(layers, copies), fed


def _source(embed: NcnnLayer, makers: Mapping[str, NcnnLayer]) -> str:
    """Returns the blob of ids that an embedding looks up: an input, or a copy that Split makes."""
    [blob] = embed.bottoms
    while makers[blob].type in SHAPING:
        [blob] = makers[blob].bottoms
    if makers[blob].type not in ("Input", "Split"):
        raise Unmeasurable(
            f"ncnn cannot compute the ids of an embedding, by {makers[blob].type}; give the ids as "
            "an input of the network, or deploy to onnxruntime"
        )
    return blob


def _source_of_split(blob: str, layers: Sequence[NcnnLayer], inputs: Sequence[str]) -> str:
    makers = makers_of(layers)
    while makers[blob].type == "Split":
        [blob] = makers[blob].bottoms
    if blob not in inputs:
        raise Unmeasurable(
            f"ncnn cannot compute the ids of an embedding, by {makers[blob].type}; give the ids as "
            "an input of the network, or deploy to onnxruntime"
        )
    return blob


def _with_copies(layers: Sequence[NcnnLayer], copies: Mapping[str, int]) -> list[NcnnLayer]:
    """Replaces copies that Split makes by inputs of their own, of the same names."""
    ahead = [NcnnLayer("Input", f"{blob}_ids", (), (blob,)) for blob in copies]
    rest = []
    for layer in layers:
        if layer.type == "Split":
            tops = tuple(blob for blob in layer.tops if blob not in copies)
            layer = replace(layer, tops=tops)
        if layer.type != "Split" or layer.tops:
            rest.append(layer)
    return [*ahead, *rest]
