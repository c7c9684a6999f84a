"""All optimizers of torch.optim, by the names of their classes."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.params import Params
from paretune.spaces.table import did_you_mean

if TYPE_CHECKING:
    import torch

REFUSED = {
    "LBFGS": "evaluates the loss several times a step, which the training loop does not",
    "SparseAdam": "takes sparse gradients only, and networks here have none",
}
"""Optimizers of torch.optim that the training loop cannot use, with the reason."""


@cache
def torch_optimizers() -> dict[str, Path]:
    """Returns the optimizers of the installed torch: name -> file that defines it.

    Read from torch's source, because importing torch takes seconds and `paretune check` does not.
    """
    spec = importlib.util.find_spec("torch")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "optim"
    files = {}
    for node in ast.parse((folder / "__init__.py").read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        file = folder / f"{node.module.rpartition('.')[2]}.py"
        names = [alias.name for alias in node.names if alias.name[0].isupper()]
        files.update({name: file for name in names if name != "Optimizer" and file.is_file()})
    return files


@cache
def arguments(name: str) -> tuple[str, ...]:
    """Returns the arguments of an optimizer's class, except the parameters to train."""
    tree = ast.parse(torch_optimizers()[name].read_text(encoding="utf-8"))
    for owner in [node for node in tree.body if isinstance(node, ast.ClassDef)]:
        for node in owner.body:
            if owner.name == name and isinstance(node, ast.FunctionDef) and node.name == "__init__":
                accepted = [*node.args.args[2:], *node.args.kwonlyargs]
                return tuple(argument.arg for argument in accepted)
    return ()


def _usable(name: str) -> str:
    if name in REFUSED:
        raise ValueError(f"torch.optim.{name} {REFUSED[name]}")
    if name not in torch_optimizers():
        names = sorted(set(torch_optimizers()) - set(REFUSED))
        hint = did_you_mean(name, names) or "."
        raise ValueError(f'torch.optim has no "{name}"{hint} Known: {", ".join(names)}')
    return name


class TorchOptimizer:
    """Any optimizer of torch.optim by name, with its own arguments."""

    primary = "name"

    class Params(Params):
        """Options of torch."""

        name: Annotated[str, AfterValidator(_usable)] = Field(
            description="class in torch.optim: RAdam, NAdam, Adamax, Adadelta, Adafactor, ..."
        )
        args: dict[str, Any] = Field(
            {}, description="arguments of the class: lr, betas, weight_decay, ..."
        )

        @model_validator(mode="after")
        def _check_arguments(self) -> TorchOptimizer.Params:
            accepted = arguments(self.name)
            for name in self.args:
                if name not in accepted:
                    hint = did_you_mean(name, list(accepted)) or "."
                    raise ValueError(
                        f'torch.optim.{self.name} has no argument "{name}"{hint} '
                        f"Known: {', '.join(accepted)}"
                    )
            return self

    @staticmethod
    def build(parameters: Iterable[torch.nn.Parameter], params: Params) -> torch.optim.Optimizer:
        """Returns the optimizer of these parameters.

        Raises:
            InfeasibleCandidate: The class refuses its arguments or this network's parameters (Muon
                takes matrices only).
        """
        from torch import optim

        try:
            optimizer: optim.Optimizer = getattr(optim, params.name)(parameters, **params.args)
        except (TypeError, ValueError, AssertionError, RuntimeError) as error:
            raise InfeasibleCandidate(f"torch.optim.{params.name}: {error}") from error
        return optimizer
