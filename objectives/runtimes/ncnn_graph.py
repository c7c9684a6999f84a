"""The text files of ncnn and pnnx: a line for each layer, with its blobs and options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

MAGIC = "7767517"
"""First line of a .param file."""


@dataclass(frozen=True)
class NcnnLayer:
    """A line of a .param file.

    Attributes:
        type: Type of the layer: "Convolution".
        name: Name of the layer.
        bottoms: Names of the blobs that it reads.
        tops: Names of the blobs that it writes.
        options: Key -> value, as written: {"0": "16", "1": "3"}.
    """

    type: str
    name: str
    bottoms: tuple[str, ...] = ()
    tops: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)

    def number(self, key: int, default: int = 0) -> int:
        """Returns an option that is a whole number."""
        return int(self.options.get(str(key), default))

    def with_options(self, **options: str) -> NcnnLayer:
        """Returns the layer with further options; `_8="2"` sets the key 8."""
        more = {key.removeprefix("_"): value for key, value in options.items()}
        return replace(self, options={**self.options, **more})

    def line(self) -> str:
        """Returns the line of the .param file."""
        counts = f"{len(self.bottoms)} {len(self.tops)}"
        options = (f"{key}={value}" for key, value in self.options.items())
        return " ".join([self.type, self.name, counts, *self.bottoms, *self.tops, *options])


def read_layers(text: str) -> list[NcnnLayer]:
    """Returns the layers of a .param file, in its order.

    Raises:
        ValueError: It is no .param file.
    """
    magic, _, *lines = text.splitlines()
    if magic.strip() != MAGIC:
        raise ValueError(f"the first line is {magic[:20]!r}, not {MAGIC}")
    return [_layer(line.split()) for line in lines if line.strip()]


def _layer(words: Sequence[str]) -> NcnnLayer:
    kind, name, reads, writes = *words[:2], int(words[2]), int(words[3])
    blobs, options = words[4 : 4 + reads + writes], words[4 + reads + writes :]
    pairs = dict(word.split("=", 1) for word in options)
    return NcnnLayer(kind, name, tuple(blobs[:reads]), tuple(blobs[reads:]), pairs)


def layers_text(layers: Sequence[NcnnLayer]) -> str:
    """Returns the .param file of layers."""
    blobs = sum(len(layer.tops) for layer in layers)
    return "\n".join([MAGIC, f"{len(layers)} {blobs}", *(each.line() for each in layers), ""])


def makers_of(layers: Sequence[NcnnLayer]) -> dict[str, NcnnLayer]:
    """Returns blob -> the layer that writes it."""
    return {blob: layer for layer in layers for blob in layer.tops}


def readers_of(layers: Sequence[NcnnLayer], blob: str) -> Iterator[NcnnLayer]:
    """Yields the layers that read a blob; ncnn allows one, and copies by Split."""
    return (layer for layer in layers if blob in layer.bottoms)
