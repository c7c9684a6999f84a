"""The user's own network, by the dotted path of a factory."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from paretune.spaces.architecture.image_params import ImageParams
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.inputs import Shape

if TYPE_CHECKING:
    import torch


class Python:
    """Your own factory, by dotted path "pkg.mod:Net"; called again for every rebuild."""

    version = 1
    primary = "factory"
    takes = "any"

    class Params(ImageParams):
        """Options of python."""

        factory: str = Field(
            pattern=r"^[\w.]+:[\w.]+$", description='"pkg.mod:Net": a class or function'
        )
        args: dict[str, Any] = Field({}, description="keyword arguments of the factory")

    @staticmethod
    def build(params: Params, shape: Shape, classes: int) -> torch.nn.Module:
        """What the factory gives; it is told `classes` and `shape` if it has such parameters.

        Raises:
            InfeasibleCandidate: The factory cannot be found, raises, or gives no torch module.
        """
        from torch import nn

        factory = _found(params.factory)
        taken = _taken(factory)
        told = {"classes": classes, "num_classes": classes, "shape": shape}
        extra = {k: v for k, v in told.items() if k in taken and k not in params.args}
        try:
            network = factory(**params.args, **extra)
        except Exception as error:
            raise InfeasibleCandidate(
                f"python {params.factory} raised {type(error).__name__}: {error}"
            ) from error
        if not isinstance(network, nn.Module):
            raise InfeasibleCandidate(
                f"python {params.factory} gave a {type(network).__name__}, not a torch.nn.Module"
            )
        return network


def _taken(factory: Callable[..., Any]) -> Mapping[str, Any]:
    try:
        return inspect.signature(factory).parameters
    except ValueError:  # a builtin that does not tell
        return {}


def _found(path: str) -> Callable[..., Any]:
    module, _, attribute = path.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:  # a user's module raises whatever it likes
        raise InfeasibleCandidate(
            f"python {path}: {type(error).__name__}: {error}; "
            "is it installed, or beside the study file?"
        ) from error
    if not callable(found):
        raise InfeasibleCandidate(f"python {path} is a {type(found).__name__}, not a factory")
    return found  # type: ignore[no-any-return]
