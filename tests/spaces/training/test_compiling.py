"""torch.compile in training: the same result, or an infeasible candidate with the reason."""

from __future__ import annotations

import shutil

import pytest
import torch
from torch import nn
from torch._dynamo.exc import BackendCompilerFailed

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.training.compiling import compilation
from paretune.spaces.training.loop import train
from paretune.spaces.training.recipe import Recipe


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # the compiler's own
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
def test_compiled_training_gives_the_eager_weights(context: Context) -> None:
    """Two batches of 10 and one of 4: the last batch is smaller."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    candidate = Candidate(model.eval(), context.data.shape, context.data.classes)
    models = []
    for compiled in (True, False):
        recipe = Recipe.model_validate(
            {"epochs": 2, "batch_size": 10, "compile": compiled, "optimizer": {"sgd": {"lr": 0.05}}}
        )
        models.append(train(candidate, recipe, context, stage="pretrain").model)
    assert type(models[0]) is nn.Sequential  # the network itself, not what the compiler made of it
    for name, weight in models[0].state_dict().items():
        torch.testing.assert_close(weight, models[1].state_dict()[name], rtol=1e-3, atol=1e-4)


def test_compiler_that_cannot_run_makes_the_candidate_infeasible(
    candidate: Candidate, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch.compile on a machine without a C++ compiler behaves like a backend that fails."""

    def broken(graph: object, inputs: object) -> None:
        raise RuntimeError("no working C++ compiler found")

    def compiled(model: nn.Module) -> object:
        return original(model, backend=broken)

    original = torch.compile
    monkeypatch.setattr(torch, "compile", compiled)
    recipe = Recipe(epochs=1, batch_size=8, compile=True)
    reason = r"^torch\.compile cannot run here: .*no working C\+\+ compiler.*type compile: false$"
    with pytest.raises(InfeasibleCandidate, match=reason):
        train(candidate, recipe, context, stage="pretrain")


def test_other_errors_pass_unchanged() -> None:
    with pytest.raises(ValueError, match="mine"), compilation(enabled=True):
        raise ValueError("mine")
    with pytest.raises(BackendCompilerFailed), compilation(enabled=False):
        raise BackendCompilerFailed(lambda graph: None, RuntimeError("x"), None)
