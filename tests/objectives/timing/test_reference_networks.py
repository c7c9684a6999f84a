"""Reference networks: the same each time, for images and for texts, made once in a process."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.inputs import Shape, example
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.objectives.timing.reference_networks import NAMES, networks, panel

SHAPES: list[Shape] = [(1, 1, 1), (1, 8, 8), (3, 32, 33), (12, 50)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_networks_take_any_shape_and_are_the_same_again(shape: Shape) -> None:
    random = torch.get_rng_state()
    first, again = networks(shape), networks(shape)
    assert torch.equal(torch.get_rng_state(), random)
    assert tuple(first) == NAMES
    for name, network in first.items():
        assert network(example(shape, 2)).shape == (2, 10)
        assert torch.equal(network(example(shape)), again[name](example(shape)))


def test_panel_runs_and_is_made_once() -> None:
    options = OnnxRuntime.Params()
    made = panel(OnnxRuntime, options, (1, 8, 8))
    assert made is panel(OnnxRuntime, options, (1, 8, 8))
    inputs = example((1, 8, 8), 3).numpy()
    assert [load()(inputs).shape for load in made] == [(3, 10)] * 4
    assert made[0]() is not made[0]()


def test_reference_that_is_slow_to_load_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paretune.objectives.timing.reference_networks.QUICK", 0.0)
    [load, *_] = panel(OnnxRuntime, OnnxRuntime.Params(), (1, 5, 5))
    assert load() is load()


def test_runtime_that_refuses_is_asked_once() -> None:
    class Refusing:
        name, suffix = "refusing, once", ".x"
        asked = 0

        def export(self, *given: Any) -> None:
            self.asked += 1
            raise Unmeasurable("cannot")

    runtime = Refusing()
    for _ in range(2):
        with pytest.raises(Unmeasurable, match="cannot"):
            panel(runtime, None, (1, 8, 8))
    assert runtime.asked == 1


def test_runtime_that_takes_too_long_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paretune.objectives.timing.reference_networks.PATIENCE", 0.0)
    with pytest.raises(Unmeasurable, match="takes too long to make reference networks"):
        panel(OnnxRuntime, OnnxRuntime.Params(), (2, 4, 4))
