"""Reference networks: always the same, for images and texts, made once in a process."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from paretune.inputs import Shape, Tokens, example
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.objectives.timing.reference_networks import (
    NAMES,
    reference_networks,
    reference_panel,
)

SHAPES: list[Shape] = [(1, 1, 1), (1, 8, 8), (3, 32, 33), Tokens(12, 50)]

MODULE = "paretune.objectives.timing.reference_networks"


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_networks_take_any_shape_and_have_the_same_weights_each_time(shape: Shape) -> None:
    random = torch.get_rng_state()
    first, again = reference_networks(shape), reference_networks(shape)
    assert torch.equal(torch.get_rng_state(), random)
    assert tuple(first) == NAMES
    for name, network in first.items():
        assert network(example(shape, 2)).shape == (2, 10)
        assert torch.equal(network(example(shape)), again[name](example(shape)))


def test_panel_runs_and_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{MODULE}.QUICK", math.inf)
    options = OnnxRuntime.Params()
    panel = reference_panel(OnnxRuntime, options, (1, 7, 7))
    assert panel is reference_panel(OnnxRuntime, options, (1, 7, 7))
    inputs = example((1, 7, 7), 3).numpy()
    assert [load()(inputs).shape for load in panel] == [(3, 10)] * 4
    assert panel[0]() is not panel[0]()


def test_session_is_kept_when_loading_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{MODULE}.QUICK", 0.0)
    [load, *_] = reference_panel(OnnxRuntime, OnnxRuntime.Params(), (1, 5, 5))
    assert load() is load()


def test_runtime_that_refuses_is_asked_once() -> None:
    class RefusingRuntime:
        name, suffix = "refusing, once", ".x"
        exports = 0

        def export(self, *arguments: Any) -> None:
            self.exports += 1
            raise Unmeasurable("cannot")

    runtime = RefusingRuntime()
    for _ in range(2):
        with pytest.raises(Unmeasurable, match="cannot"):
            reference_panel(runtime, None, (1, 8, 8))
    assert runtime.exports == 1


def test_runtime_that_takes_too_long_has_no_references(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{MODULE}.PATIENCE", 0.0)
    with pytest.raises(Unmeasurable, match="takes too long to make reference networks"):
        reference_panel(OnnxRuntime, OnnxRuntime.Params(), (2, 4, 4))
