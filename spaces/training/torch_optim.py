"""Any optimizer of torch.optim, by the name of its class."""

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
"""What torch.optim has and this loop cannot use."""


@cache
def torch_optimizers() -> dict[str, Path]:
    """The optimizers of the installed torch: name -> the file that defines it.

    Read from torch's source, because importing torch takes seconds and `paretune check` does not.
    """
    spec = importlib.util.find_spec("torch")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "optim"
    found = {}
    for node in ast.parse((folder / "__init__.py").read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        file = folder / f"{node.module.rpartition('.')[2]}.py"
        names = [alias.name for alias in node.names if alias.name[0].isupper()]
        found.update({name: file for name in names if name != "Optimizer" and file.is_file()})
    return found


@cache
def arguments(name: str) -> tuple[str, ...]:
    """What the class of this name takes besides the parameters."""
    tree = ast.parse(torch_optimizers()[name].read_text(encoding="utf-8"))
    for owner in [node for node in tree.body if isinstance(node, ast.ClassDef)]:
        for node in owner.body:
            if owner.name == name and isinstance(node, ast.FunctionDef) and node.name == "__init__":
                taken = [*node.args.args[2:], *node.args.kwonlyargs]
                return tuple(argument.arg for argument in taken)
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
        args: dict[str, Any] = Field({}, description="its arguments: lr, betas, weight_decay, ...")

        @model_validator(mode="after")
        def _arguments_are_taken(self) -> TorchOptimizer.Params:
            taken = arguments(self.name)
            for given in self.args:
                if given not in taken:
                    hint = did_you_mean(given, list(taken)) or "."
                    raise ValueError(
                        f'torch.optim.{self.name} has no argument "{given}"{hint} '
                        f"Known: {', '.join(taken)}"
                    )
            return self

    @staticmethod
    def build(parameters: Iterable[torch.nn.Parameter], params: Params) -> torch.optim.Optimizer:
        """The optimizer on these parameters.

        Raises:
            InfeasibleCandidate: Its arguments, or this network's parameters, are not for it (Muon
                takes matrices only).
        """
        from torch import optim

        try:
            made: optim.Optimizer = getattr(optim, params.name)(parameters, **params.args)
        except (TypeError, ValueError, AssertionError, RuntimeError) as error:
            raise InfeasibleCandidate(f"torch.optim.{params.name}: {error}") from error
        return made
