"""Defines runtimes, which make artifacts from models and run them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Union

from paretune.inputs import INPUT, Shape, signature_of
from paretune.objectives.errors import Unmeasurable

if TYPE_CHECKING:
    import numpy as np
    import torch

    from paretune.nests import Nest
    from paretune.objectives.params import Params


OUTPUTS = "outputs"
"""Key of `Artifact.info`: the form of the outputs (`nests.form_of`); absent for a single tensor."""


@dataclass(frozen=True)
class Artifact:
    """A file that a user would deploy.

    Attributes:
        path: The file.
        runtime: Name of the runtime that it is for.
        sha256: Digest of the file.
        bytes: Size of the file.
        info: JSON: notes of the exporter (opset, which layers are int8, seconds, ...).
    """

    path: Path
    runtime: str
    sha256: str
    bytes: int
    info: Mapping[str, Any] = field(default_factory=dict)


Outputs = Union["np.ndarray", tuple["np.ndarray", ...]]
"""The output [B, ...], or a tuple of several."""

Compute = Callable[..., Outputs]
"""Arrays [B, ...], one for each input of the network -> outputs. `Predictor` takes nests."""


class Session(Protocol):
    """A loaded artifact, ready to run."""

    def __call__(self, *inputs: np.ndarray) -> Outputs:
        """Runs a batch.

        Args:
            *inputs: An array [B, ...] for each input, of the declared types, in their order.

        Returns:
            The output [B, ...], or a tuple of the leaves of several outputs, in their order.
        """


class Runtime(Protocol):
    """A deployment target. The first line of the class docstring is its description.

    A class may also declare

    - `probe(model, shape)`: raises what `export` would, but sooner, and returns what the exported
      part computes (a Compute), or None. Useful if exporting takes long;
    - `stamp(path)`: returns the versions that a file requires, without running it;
    - `refuse(path)`: raises Unmeasurable if a file contains pickles that its library would load;
    - `placement(model, shape, options)`: returns which activations static int8 rounds;
    - `keeps_float = True`: its quantizer leaves the modules in `options["keep"]` in float.

    A network takes what `shape` describes and returns a tensor, or a nest of tensors. `flat_module`
    brings any network into the form that exporters take.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    """Suffix of the artifact's file name: ".onnx"."""
    quantizations: ClassVar[tuple[str, ...]]
    """Quantization modes that it can deploy, apart from float: ("dynamic", "static")."""
    dynamic_batch: ClassVar[bool]
    """Whether a file takes batches of any size. If not, it takes single inputs, and a session runs
    the inputs of a batch one by one."""
    library: ClassVar[str]
    """The module to import to run an artifact. `memory` measures what is added to it."""
    needs: ClassVar[str]
    """What must be installed: "nothing more", "pip install 'paretune[openvino]'"."""
    packages: ClassVar[tuple[str, ...]]
    """Packages that a user of an artifact installs, apart from NumPy."""
    Params: ClassVar[type[Params]]

    @staticmethod
    def export(
        model: torch.nn.Module,
        shape: Shape,
        path: Path,
        quantization: Mapping[str, Any] | None = None,
        calibration: Iterator[Nest] | None = None,
    ) -> Artifact:
        """Writes the model as this runtime's file.

        The artifact's `info["outputs"]` is the form of the outputs (`nests.form_of`), unless they
        are a single tensor.

        Args:
            model: On the CPU, in evaluation mode; not changed.
            shape: What it takes.
            path: The file to write. On failure nothing is written.
            quantization: None for float, or {mode: options}, such as {"static": {...}}.
            calibration: Batches of training inputs in the network's form, for "static" and "qat".

        Raises:
            Unmeasurable: The model cannot be exported or quantized, with the reason.
            OSError: The file cannot be written.
        """

    @staticmethod
    def load(path: Path, options: Any, threads: int | None = None) -> Session:
        """Returns a session; `threads` overrides the options' thread count (0: all cores)."""

    @staticmethod
    def standalone(options: Any, several: bool = False) -> str:
        """Returns Python code of a function `load(path)`, which returns inputs -> logits.

        The code imports the runtime's own library but not Paretune; `np` is NumPy. An export runs
        it and prints it in the model card. Strings in the options must be quoted, because they may
        come from a manifest that is not trusted.

        Args:
            options: The options that the artifact was measured with.
            several: The code is for a file with several inputs or outputs, or with other names than
                "input" and "logits". Its function takes an array for each input, and returns an
                array, or a tuple of several. A runtime of your own may leave this argument out.
        """

    @staticmethod
    def unavailable() -> str | None:
        """Returns in one line why it cannot be used here, or None. Imports nothing heavy."""


def check_mode(runtime: Any, quantization: Mapping[str, Any] | None) -> None:
    """Refuses a quantization mode that a runtime lacks.

    Raises:
        Unmeasurable: The runtime lacks the mode, or cannot leave the layers in float that the task
            or `keep_float` keeps.
    """
    modes = runtime.quantizations
    for mode in quantization or {}:
        if not modes:
            raise Unmeasurable(f"{runtime.name} is float only here; pick a float trial")
        if mode not in modes:
            raise Unmeasurable(
                f'{runtime.name} has no quantization mode "{mode}"; it has: {", ".join(modes)}'
            )
    if getattr(runtime, "keeps_float", False):
        return
    for key, source in (("keep", "the task"), ("kept", "keep_float")):
        kept = [name for options in (quantization or {}).values() for name in options.get(key, ())]
        if kept:
            raise Unmeasurable(
                f"{runtime.name} quantizes all layers, and {source} keeps {', '.join(kept)} in "
                "float; deploy with onnxruntime, or without it"
            )


def refuse_dynamic_axes(runtime: Any, shape: Shape) -> None:
    """Refuses inputs whose size varies, for a runtime whose files have inputs of one size.

    Raises:
        Unmeasurable: An axis is declared dynamic.
    """
    for each in signature_of(shape).inputs:
        for _, name in each.dynamic:
            raise Unmeasurable(
                f"{runtime.name} takes inputs of one size, but the axis {name} of the input "
                f"{each.name} is declared dynamic; declare a fixed size, or deploy to "
                "onnxruntime, openvino, mnn, torch, torch_export or torchscript"
            )


def standalone_code(runtime: Any, options: Any, shape: Shape, info: Mapping[str, Any]) -> str:
    """Returns a runtime's standalone code for a file.

    Args:
        runtime: The runtime.
        options: Its options.
        shape: What the network takes.
        info: `Artifact.info` of the file.

    Raises:
        Unmeasurable: The file has several inputs or outputs, and the runtime has no code for them.
    """
    code: str
    if signature_of(shape).names == (INPUT,) and OUTPUTS not in info:
        code = runtime.standalone(options)
        return code
    try:
        code = runtime.standalone(options, several=True)
    except TypeError as error:
        raise Unmeasurable(
            f"{runtime.name} has no standalone code for several inputs or outputs; its method "
            "standalone lacks the argument `several`"
        ) from error
    return code
