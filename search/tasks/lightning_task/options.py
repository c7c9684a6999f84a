"""The options of the task `lightning`."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from paretune.spaces.params import Params

DOTTED = r"^[\w.]+:[\w.]+$"
"""Pattern of a dotted path."""


class LightningParams(Params):
    """Options of lightning."""

    module: str = Field(pattern=DOTTED, description='class of the module: "pkg.mod:Net"')
    data: str | None = Field(
        None,
        pattern=DOTTED,
        description="class of the data module; default: the module has the dataloaders",
    )
    module_args: dict[str, Any] = Field({}, description="keyword arguments of the module")
    data_args: dict[str, Any] = Field({}, description="keyword arguments of the data module")
    network: str | None = Field(
        None,
        description="attribute of the module that is the network, if the steps call it instead "
        "of the module: net",
    )
    checkpoint: str | None = Field(
        None, description="a .ckpt file of Lightning: its weights, read without unpickling code"
    )
    keep: list[str] = Field(
        [],
        description="names of layers, with * for any text, that no pruning or quantization changes",
    )
