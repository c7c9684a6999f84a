"""References: a few small networks that are run beside whatever is timed.

A machine's speed drifts, and differently for different networks: one bound by memory feels a
neighbour that a small one does not feel, so that the ratio of the two moves. A panel of several
kinds and sizes moves like the average network. On a host with busy neighbours (12 networks of
0.09 to 1.5 ms, visited in turn for 7 minutes; windows of 8 visits), the deviation of a network's
ratio to one large baseline was 9 % (median) and to a panel of four 3.8 %; weighting the four by how
well they went along, or choosing the two most alike among eleven, gave 3.3 %: not worth its errors.
"""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from paretune.objectives.errors import Unmeasurable

if TYPE_CHECKING:
    from torch import nn

    from paretune.objectives.inputs import Shape

VERSION = 2
"""Raised when the networks or their levels change: ratios to others are then not used."""

NAMES = ("narrow", "plain", "wide", "separable")

PATIENCE = 30.0
"""Seconds that making the panel may take; a compiler that takes longer gets none."""

QUICK = 0.1
"""Seconds that loading may take, for it to be done anew each time."""

_MADE: dict[tuple[Any, ...], list[Reference] | str] = {}


class Reference:
    """A network's file; called, it gives a session.

    Args:
        runtime: Of the file.
        options: Of the runtime.
        path: The file, which is there as long as this process.
    """

    def __init__(self, runtime: Any, options: Any, path: Path) -> None:
        self._load: Callable[[], Callable[[Any], Any]] = lambda: runtime.load(path, options)
        self._kept = self._load()
        begun = time.perf_counter()
        self._kept = self._load()  # the first time, a runtime may load itself
        self._quick = time.perf_counter() - begun <= QUICK

    def __call__(self) -> Callable[[Any], Any]:
        """A new session where that is quick, else the one that is kept."""
        return self._load() if self._quick else self._kept


def panel(runtime: Any, options: Any, shape: Shape) -> list[Reference]:
    """The networks in a runtime, ready to load; made once in a process.

    Raises:
        Unmeasurable: The runtime cannot have them, with the reason.
    """
    key = (runtime.name, repr(options), shape)
    if key not in _MADE:
        try:
            _MADE[key] = _made(runtime, options, shape)
        except Unmeasurable as error:
            _MADE[key] = str(error)
    found = _MADE[key]
    if isinstance(found, str):
        raise Unmeasurable(found)
    return found


def _made(runtime: Any, options: Any, shape: Shape) -> list[Reference]:
    begun = time.monotonic()
    made: list[Reference] = []
    folder = TemporaryDirectory(prefix="paretune-", ignore_cleanup_errors=True)
    atexit.register(folder.cleanup)
    for name, network in networks(shape).items():
        path = Path(folder.name) / f"{name}{runtime.suffix}"
        artifact = runtime.export(network, shape, path)
        made.append(Reference(runtime, options, artifact.path))
        if time.monotonic() - begun > PATIENCE:
            raise Unmeasurable(f"{runtime.name} takes too long to make reference networks")
    return made


def networks(shape: Shape) -> dict[str, nn.Module]:
    """The networks by name, with the same random weights each time."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        build = _texts if len(shape) == 2 else _images
        return {name: network.eval() for name, network in build(shape).items()}


def _images(shape: Shape) -> dict[str, nn.Module]:
    from torch import nn

    channels = shape[0]

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

    return dict(zip(NAMES, (plain(8), plain(16), plain(32), separable(32)), strict=True))


def _head(channels: int) -> list[nn.Module]:
    from torch import nn

    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)]


def _texts(shape: Shape) -> dict[str, nn.Module]:
    from torch import nn

    length, vocabulary = shape[0], shape[1]

    def tokens(width: int, depth: int) -> nn.Module:
        layers: list[nn.Module] = [nn.Embedding(vocabulary, 16), nn.Linear(16, width)]
        for _ in range(depth):
            layers += [nn.ReLU(), nn.Linear(width, width)]
        return nn.Sequential(*layers, nn.Linear(width, 8), nn.Flatten(), nn.Linear(8 * length, 10))

    return dict(
        zip(NAMES, (tokens(32, 1), tokens(64, 2), tokens(256, 2), tokens(96, 8)), strict=True)
    )
