"""Your own loss, by the dotted path of a function or a module class."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any, ClassVar

from pydantic import Field

from paretune.raised import raised_text
from paretune.spaces.base import Data, InfeasibleCandidate
from paretune.spaces.imported import imported
from paretune.spaces.params import Params as BaseParams
from paretune.spaces.training.losses.base import LossFunction


class PythonLoss:
    """Your own loss: a function (outputs, targets), or a torch.nn.Module class with arguments.

    It returns the mean loss of a batch, a scalar with a gradient.
    """

    version = 1
    primary = "path"
    targets: ClassVar[tuple[str, ...]] = ("class", "labels", "values", "mask", "boxes", "next")

    class Params(BaseParams):
        """Options of python."""

        path: str = Field(
            pattern=r"^[\w.]+:[\w.]+$",
            description='path of a function or a module class: "pkg.mod:Focal"',
        )
        args: dict[str, Any] = Field(
            {}, description="keyword arguments: of the class, or of the function in each call"
        )

    @staticmethod
    def build(params: Params, data: Data) -> LossFunction:
        """Returns the function with its arguments, or the call of a module.

        Raises:
            InfeasibleCandidate: The path cannot be imported, or the class refuses its arguments.
        """
        function: LossFunction = _imported(params.path)
        if inspect.isclass(function):
            return _module(function, params)
        return partial(function, **params.args)


def _imported(path: str) -> Any:
    function = imported("loss", path)
    if not callable(function):
        raise InfeasibleCandidate(
            f"loss {path} is a {type(function).__name__}; name a function (outputs, targets) or a "
            "torch.nn.Module class"
        )
    return function


def _module(cls: type[Any], params: PythonLoss.Params) -> LossFunction:
    try:
        made = cls(**params.args)
    except Exception as error:
        raise InfeasibleCandidate(f"loss {params.path} raised {raised_text(error)}") from error
    if not callable(made):
        raise InfeasibleCandidate(
            f"loss {params.path} makes a {cls.__name__}, which is no function"
        )
    return made  # type: ignore[no-any-return]
