"""Reference networks: four small networks that are timed in turn with every candidate.

A machine's speed drifts, and not by the same factor for all networks. For example, a neighbour may
slow down a network bound by memory and not a small one, so the ratio of the two moves. A panel of
several kinds and sizes moves like the average network.

Measured on a host with busy neighbours (12 networks of 0.09 to 1.5 ms, visited in turn for 7
minutes; windows of 8 visits): a network's ratio to one large baseline deviated by 9 % (median), and
its ratio to a panel of four by 3.8 %. Two refinements gave 3.3 %: weighting the four by how closely
they followed the network, or choosing the two most similar of eleven. That gain is not worth the
errors they bring.

Networks for images and texts are timed on the study's own inputs. For any other kind of input, the
reference networks take images of noise.
"""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from paretune.inputs import Tokens, image_shape, kind_of
from paretune.objectives.errors import Unmeasurable

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from paretune.inputs import Shape

VERSION = 2
"""Version of the networks and their levels. Ratios measured with another version are not used."""

NAMES = ("narrow", "plain", "wide", "separable")

PATIENCE = 30.0
"""Seconds that making the panel may take. A runtime that takes longer has no references."""

QUICK = 0.1
"""A network is loaded again for each block if loading takes at most this many seconds."""

_FILES: dict[tuple[Any, ...], list[Path]] = {}
"""The files made in this process for devices, which load them there."""

_PANELS: dict[tuple[Any, ...], list[ReferenceNetwork] | str] = {}
"""The panels made in this process, or the reason why a runtime has none."""


IMAGES = (3, 32, 32)
"""Shape of the reference networks' images where the study's inputs are of another kind."""


class ReferenceNetwork:
    """A reference network's file; a call returns a session on it.

    Args:
        runtime: The runtime.
        options: The runtime's options.
        path: The file, which exists until this process ends.
    """

    def __init__(self, runtime: Any, options: Any, path: Path) -> None:
        self._load: Callable[[], Callable[..., Any]] = lambda: runtime.load(path, options)
        self._kept = self._load()
        begun = time.perf_counter()
        self._kept = self._load()  # timed the second time: the first may load the runtime itself
        self._quick = time.perf_counter() - begun <= QUICK

    def __call__(self) -> Callable[..., Any]:
        """Returns a new session if loading is quick, else always the same one."""
        return self._load() if self._quick else self._kept


def reference_panel(runtime: Any, options: Any, shape: Shape) -> list[ReferenceNetwork]:
    """Returns the reference networks as files of a runtime; made once in a process.

    Args:
        runtime: The runtime.
        options: The runtime's options.
        shape: What the network takes that is timed; see `reference_inputs`.

    Raises:
        Unmeasurable: The runtime cannot run them, or takes too long to make them.
    """
    shape = _reference_shape(shape)
    key = (runtime.name, repr(options), shape)
    if key not in _PANELS:
        try:
            _PANELS[key] = _export_panel(runtime, options, shape)
        except Unmeasurable as error:
            _PANELS[key] = str(error)
    panel = _PANELS[key]
    if isinstance(panel, str):
        raise Unmeasurable(panel)
    return panel


def reference_inputs(shape: Shape, batch: int) -> tuple[np.ndarray, ...] | None:
    """Returns the inputs of the reference networks; None if they run on the study's own inputs."""
    import numpy as np

    if kind_of(shape) in ("images", "text"):
        return None
    images = np.random.default_rng(0).normal(size=(batch, *IMAGES))
    return (images.astype(np.float32),)


def _reference_shape(shape: Shape) -> Shape:
    """Returns what the reference networks take."""
    kind = kind_of(shape)
    if kind == "images":
        return image_shape(shape)  # with one size, which dynamic axes are timed at
    return shape if kind == "text" else IMAGES


def reference_files(runtime: Any, shape: Shape) -> list[Path]:
    """Returns the files of the reference networks for a runtime; made once in a process.

    They exist until this process ends.

    Args:
        runtime: The runtime.
        shape: What the network takes that is timed; see `reference_inputs`.

    Raises:
        Unmeasurable: The runtime cannot hold them, or takes too long to make them.
    """
    shape = _reference_shape(shape)
    key = (runtime.name, shape)
    if key not in _FILES:
        _FILES[key] = list(_exported(runtime, shape))
    return _FILES[key]


def _export_panel(runtime: Any, options: Any, shape: Shape) -> list[ReferenceNetwork]:
    return [ReferenceNetwork(runtime, options, path) for path in _exported(runtime, shape)]


def _exported(runtime: Any, shape: Shape) -> Iterator[Path]:
    """Yields the file of each reference network as it is exported.

    Raises:
        Unmeasurable: The runtime cannot hold one, or takes too long to make them.
    """
    begun = time.monotonic()
    folder = TemporaryDirectory(prefix="paretune-", ignore_cleanup_errors=True)
    atexit.register(folder.cleanup)
    for name, network in reference_networks(shape).items():
        path = Path(folder.name) / f"{name}{runtime.suffix}"
        yield runtime.export(network, shape, path).path
        if time.monotonic() - begun > PATIENCE:
            raise Unmeasurable(f"{runtime.name} takes too long to make reference networks")


def reference_networks(shape: Shape) -> dict[str, nn.Module]:
    """Returns the networks by name, with the same random weights each time.

    Args:
        shape: Images or texts.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        build = _text_networks if isinstance(shape, Tokens) else _image_networks
        return {name: network.eval() for name, network in build(shape).items()}


def _image_networks(shape: Shape) -> dict[str, nn.Module]:
    from torch import nn

    channels = image_shape(shape)[0]

    def conv(inside: int, outside: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
        layer = nn.Conv2d(inside, outside, 3, stride, padding=1, groups=groups)
        return [layer, nn.ReLU()]

    def plain(width: int) -> nn.Module:
        layers = conv(channels, width)
        for factor in (1, 2):
            wide = width * factor
            layers += [*conv(wide, wide), *conv(wide, 2 * wide, stride=2)]
        return nn.Sequential(*layers, *_head(4 * width))

    def separable(width: int) -> nn.Module:
        layers = conv(channels, width)
        for factor in (1, 2):
            wide = width * factor
            layers += conv(wide, wide, groups=wide)
            layers += [nn.Conv2d(wide, 2 * wide, 1, stride=factor), nn.ReLU()]
        return nn.Sequential(*layers, *_head(4 * width))

    networks = (plain(8), plain(16), plain(32), separable(32))
    return dict(zip(NAMES, networks, strict=True))


def _head(channels: int) -> list[nn.Module]:
    from torch import nn

    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)]


def _text_networks(shape: Shape) -> dict[str, nn.Module]:
    from torch import nn

    assert isinstance(shape, Tokens)
    length, vocabulary = shape

    def per_token(width: int, depth: int) -> nn.Module:
        layers: list[nn.Module] = [nn.Embedding(vocabulary, 16), nn.Linear(16, width)]
        for _ in range(depth):
            layers += [nn.ReLU(), nn.Linear(width, width)]
        return nn.Sequential(*layers, nn.Linear(width, 8), nn.Flatten(), nn.Linear(8 * length, 10))

    sizes = ((32, 1), (64, 2), (256, 2), (96, 8))
    return {name: per_token(*size) for name, size in zip(NAMES, sizes, strict=True)}
