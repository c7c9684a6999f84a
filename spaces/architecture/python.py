"""Your own network, by the dotted path of a factory."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from paretune.inputs import Shape
from paretune.spaces.architecture.image_params import ImageParams
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.imported import imported

if TYPE_CHECKING:
    import torch


class Python:
    """Your own network, made by a class or function with the path "pkg.mod:Net".

    It is called again for every rebuild.
    """

    version = 1
    primary = "factory"
    takes = "any"
    gives = "any"

    class Params(ImageParams):
        """Options of python."""

        factory: str = Field(
            pattern=r"^[\w.]+:[\w.]+$",
            description='path of a class or function that returns the network: "pkg.mod:Net"',
        )
        args: dict[str, Any] = Field({}, description="keyword arguments for the factory")

    @staticmethod
    def build(params: Params, shape: Shape, classes: int) -> torch.nn.Module:
        """Returns the factory's network; passes `classes` and `shape` if it has such parameters.

        Raises:
            InfeasibleCandidate: The factory cannot be imported, raises, or returns no torch module.
        """
        from torch import nn

        factory = _import_factory(params.factory)
        accepted = _parameters(factory)
        facts: dict[str, Any] = {"shape": shape}
        if classes:  # 0: the network decides
            facts |= {"classes": classes, "num_classes": classes}
        extra = {k: v for k, v in facts.items() if k in accepted and k not in params.args}
        try:
            network = factory(**params.args, **extra)
        except InfeasibleCandidate:
            raise
        except Exception as error:
            raise InfeasibleCandidate(
                f"python {params.factory} raised {type(error).__name__}: {error}"
            ) from error
        if not isinstance(network, nn.Module):
            raise InfeasibleCandidate(
                f"python {params.factory} gave a {type(network).__name__}, not a torch.nn.Module"
            )
        return network


def _parameters(factory: Callable[..., Any]) -> Mapping[str, Any]:
    try:
        return inspect.signature(factory).parameters
    except ValueError:  # a builtin without a signature
        return {}


def _import_factory(path: str) -> Callable[..., Any]:
    factory = imported("python", path)
    if not callable(factory):
        raise InfeasibleCandidate(f"python {path} is a {type(factory).__name__}, not a factory")
    return factory  # type: ignore[no-any-return]
