"""Fixtures of the spaces tests: a small data set, a user's networks, and a candidate."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.spaces.base import Candidate, Context, Data
from paretune.spaces.rebuild import initial_candidate
from support.tasks import classification

settings.register_profile(
    "busy", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy")  # the time of an example depends on the machine's load

SHAPE = (1, 8, 8)
CLASSES = 3


class ToyData:
    """Images of noise with one bright row. The class is the position of the row."""

    classes = CLASSES
    task = classification(CLASSES)
    loader_batch = None
    shape = SHAPE
    fingerprint = "toy"

    def __init__(self, train: int = 24, other: int = 12) -> None:
        generator = torch.Generator().manual_seed(0)
        self._parts = {
            part: self._examples(count, generator)
            for part, count in (("train", train), ("validation", other), ("test", other))
        }

    @staticmethod
    def _examples(count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        labels = torch.arange(count) % CLASSES
        images = torch.randn(count, *SHAPE, generator=generator) * 0.1
        images[torch.arange(count), 0, 2 * labels + 1] += 1.0
        return images, labels

    def size(self, part: str) -> int:
        return len(self._parts[part][1])

    def order(self, part: str, seed: int | None) -> torch.Tensor:
        count = self.size(part)
        if seed is None:
            return torch.arange(count)
        return torch.randperm(count, generator=torch.Generator().manual_seed(seed))

    def batches(
        self, part: str, batch_size: int, *, seed: int | None = None, device: str = "cpu"
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        images, labels = self._parts[part]
        for rows in self.order(part, seed).split(batch_size):
            yield images[rows].to(device), labels[rows].to(device)

    def black(self) -> tuple[float, ...]:
        return (-0.5,)

    def white(self) -> tuple[float, ...]:
        return (1.5,)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Runs tiny networks on one thread: more threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def _user_code() -> Iterator[None]:
    """Puts `user_nets` on the path, as a user's PYTHONPATH would."""
    folder = str(Path(__file__).with_name("user"))
    sys.path.insert(0, folder)
    yield
    sys.path.remove(folder)


@pytest.fixture(scope="session")
def make_data() -> Callable[..., Data]:
    """Returns a toy data set of any size."""
    return ToyData


@pytest.fixture(scope="session")
def data() -> Data:
    """24 training images of 1x8x8 pixels in 3 classes."""
    return ToyData()


@pytest.fixture(scope="session")
def context(data: Data) -> Context:
    """A context with the toy data, seed 0, no teacher, and the int8 placement of ONNX Runtime."""
    return Context(data=data, placement=OnnxRuntime.placement)


@pytest.fixture
def candidate() -> Candidate:
    """A convolutional network of 8 and 16 channels and a hidden layer of 32."""
    return initial_candidate({"simple_cnn": {"width": 0.125}}, SHAPE, CLASSES, seed=0)
