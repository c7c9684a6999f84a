"""What a runtime is: it makes an artifact of a model, and runs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.inputs import Shape

if TYPE_CHECKING:
    import numpy as np
    import torch

    from paretune.objectives.params import Params


@dataclass(frozen=True)
class Artifact:
    """A file that a user would ship.

    Attributes:
        path: Where it lies.
        runtime: Name of the runtime it is for.
        sha256: Digest of the file.
        bytes: Size of the file.
        info: JSON: what the exporter has to say (opset, which layers are int8, seconds, ...).
    """

    path: Path
    runtime: str
    sha256: str
    bytes: int
    info: Mapping[str, Any] = field(default_factory=dict)


class Session(Protocol):
    """A loaded artifact, ready to run."""

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """Inputs as the model takes them, [B, ...] -> logits float32 [B, classes]."""


class Runtime(Protocol):
    """A deployment target. The class docstring's first line is its description.

    Where exporting takes long, `probe(model, shape)` may raise what `export` would, sooner. Where a
    file names the versions it asks for, `stamp(path)` reads them without running it; where its
    library would unpickle, `refuse(path)` raises Unmeasurable for a file with pickles in it.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    """Of the artifact's file name: ".onnx"."""
    quantizations: ClassVar[tuple[str, ...]]
    """Quantization modes besides float that it can deploy: ("dynamic", "static")."""
    dynamic_batch: ClassVar[bool]
    """Whether a file takes batches of any size; if not, it takes single inputs, and a session runs
    a batch one by one."""
    library: ClassVar[str]
    """The module that a process imports to run an artifact: `memory` counts what comes above it."""
    needs: ClassVar[str]
    """What must be installed for it: "nothing more", "pip install 'paretune[openvino]'"."""
    packages: ClassVar[tuple[str, ...]]
    """What a user of an artifact installs, besides NumPy."""
    Params: ClassVar[type[Params]]

    @staticmethod
    def export(
        model: torch.nn.Module,
        shape: Shape,
        path: Path,
        quantization: Mapping[str, Any] | None = None,
        calibration: Iterator[np.ndarray] | None = None,
    ) -> Artifact:
        """Writes the model as this runtime's file.

        Args:
            model: On the CPU, in evaluation mode; left as it was.
            shape: Of one input: (C, H, W), or (length, vocabulary).
            path: The file to write; it is there whole or not at all.
            quantization: None for float; {"dynamic": {...}} or {"static": {...}} otherwise.
            calibration: Training inputs, as the model takes them, for "static".

        Raises:
            Unmeasurable: The model cannot be exported or quantized, with the reason.
            OSError: The file cannot be written.
        """

    @staticmethod
    def load(path: Path, options: Any, threads: int | None = None) -> Session:
        """A session on the artifact; `threads` overrides the options' thread count (0: all)."""

    @staticmethod
    def standalone(options: Any) -> str:
        """Python that loads an artifact: a function `load(path)` that gives inputs -> logits.

        It imports the runtime's own library and nothing of ours; `np` is NumPy. The options are
        those the artifact was measured with; a manifest of anybody's may hold them, so a text among
        them is quoted. An export runs it, and shows it in the model card.
        """

    @staticmethod
    def unavailable() -> str | None:
        """Why it cannot be used here, in one line, or None when it can. Imports nothing heavy."""


def check_mode(runtime: Any, quantization: Mapping[str, Any] | None) -> None:
    """Refuses a quantization that a runtime has not.

    Raises:
        Unmeasurable: With those that it has.
    """
    modes = runtime.quantizations
    for mode in quantization or {}:
        if not modes:
            raise Unmeasurable(f"{runtime.name} is float only here; pick a float trial")
        if mode not in modes:
            raise Unmeasurable(
                f'{runtime.name} has no quantization mode "{mode}"; it has: {", ".join(modes)}'
            )
