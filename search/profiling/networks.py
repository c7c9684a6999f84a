"""A network to profile, and its deployment to a runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.inputs import Shape
from paretune.objectives.base import Measurement
from paretune.objectives.errors import Unmeasurable
from paretune.search.errors import UserError
from paretune.search.study.tables import RUNTIMES

if TYPE_CHECKING:
    from torch import nn

    from paretune.objectives.runtimes.base import Artifact


@dataclass(frozen=True)
class ProfiledNetwork:
    """A network to profile, with its deployed file.

    Attributes:
        subject: Short description.
        model: The network in evaluation mode, on the CPU.
        shape: Shape of one input.
        classes: Number of logits.
        architecture: {name: parameters}.
        artifact: The deployed file.
        runtime: Runtime of the file.
        options: Options of the runtime, validated.
        quantized: True if the file is quantized.
        accuracies: Accuracies that were measured before, if any.
        data: Inputs to measure with.
    """

    subject: str
    model: nn.Module
    shape: Shape
    classes: int
    architecture: Mapping[str, Any]
    artifact: Artifact
    runtime: Any
    options: Any
    quantized: bool
    accuracies: tuple[Measurement, ...]
    data: Any


def runtime_of(name: str, threads: int | None) -> tuple[Any, Any]:
    """Returns a runtime that works on this machine, and its options.

    Raises:
        UserError: The name is unknown, the runtime is not installed, or it has no `threads`.
    """
    try:
        runtime = RUNTIMES.get(name)
    except ValueError as error:
        raise UserError(f"--runtime: {error}") from error
    reason = runtime.unavailable()
    if reason:
        raise UserError(f"--runtime {name}: {reason}")
    return runtime, with_threads(runtime, runtime.Params(), threads)


def with_threads(runtime: Any, options: Any, threads: int | None) -> Any:
    """Returns options of a runtime with another number of threads; None keeps the number.

    Raises:
        UserError: The runtime has no `threads`.
    """
    if threads is None:
        return options
    if "threads" not in runtime.Params.model_fields:
        raise UserError(f"--threads: {runtime.name} has no such option; leave it out")
    return runtime.Params.model_validate({**options.model_dump(), "threads": threads})


def export_file(write: Callable[[Path], Artifact], runtime: Any, folder: Path) -> Artifact:
    """Writes a file for a runtime.

    Args:
        write: Writes the file to a path.
        runtime: The runtime.
        folder: Folder of the file.

    Raises:
        UserError: The runtime does not support the network.
    """
    try:
        return write(folder / f"profiled{runtime.suffix}")
    except Unmeasurable as error:
        raise UserError(f"--runtime {runtime.name}: {error}") from error
