"""The runtime `torchscript`: traced graphs, which libtorch loads without Python."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.inputs import Shape
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.params import Params, Threads
from paretune.objectives.runtimes.artifact_file import write_artifact
from paretune.objectives.runtimes.base import Artifact, check_mode
from paretune.objectives.runtimes.torch_programs import TorchSession, loading_code

if TYPE_CHECKING:
    import torch

    from paretune.nests import Nest


class TorchScript:
    """TorchScript (.pt): float32, for libtorch and mobile."""

    name = "torchscript"
    suffix = ".pt"
    quantizations: tuple[str, ...] = ()
    dynamic_batch = True
    library = "torch"
    needs = "nothing more"
    packages: tuple[str, ...] = ("torch",)

    class Params(Params):
        """Options of torchscript."""

        threads: Threads = 1

    @staticmethod
    def export(
        model: torch.nn.Module,
        shape: Shape,
        path: Path,
        quantization: Mapping[str, Any] | None = None,
        calibration: Iterator[Nest] | None = None,
    ) -> Artifact:
        """Traces and freezes the model; the batch and the declared axes are dynamic.

        Raises:
            Unmeasurable: It cannot be traced, or quantization is requested.
            OSError: The file cannot be written.
        """
        import torch

        from paretune.objectives.runtimes.flat_module import flat_network

        check_mode(TorchScript, quantization)

        def write(draft: Path) -> dict[str, Any]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # TorchScript is deprecated
                try:
                    network = flat_network(model, shape, 2)
                    # Without torch's check: it runs the example again, and refuses ViT-B/16,
                    # which is right, as attention took another path the second time.
                    traced = torch.jit.trace(  # type: ignore[no-untyped-call]
                        network.module, network.examples, check_trace=False
                    )
                    torch.jit.freeze(traced).save(str(draft))
                except (OSError, Unmeasurable):
                    raise
                except Exception as error:  # tracing passes on any exception of the model's code
                    raise Unmeasurable(
                        f"the network cannot be traced: {type(error).__name__}: {error}"
                    ) from error
            return network.info

        return write_artifact(path, TorchScript.name, write)

    @staticmethod
    def load(path: Path, options: Any, threads: int | None = None) -> TorchSession:
        """Returns a session. It sets torch's thread count for the whole process.

        Raises:
            Unmeasurable: The file is damaged.
        """
        import torch

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                module = torch.jit.load(str(path))  # type: ignore[no-untyped-call]
            except (RuntimeError, ValueError) as error:
                raise Unmeasurable(f"TorchScript cannot load {path.name}: {error}") from error
        return TorchSession(module.eval(), options.threads if threads is None else threads)

    @staticmethod
    def standalone(options: Any, several: bool = False) -> str:
        """Returns Python code that loads a file without Paretune."""
        return loading_code("torch.jit.load(path).eval()", options.threads, several)

    @staticmethod
    def unavailable() -> str | None:
        """Returns why it cannot be used here, or None if it can."""
        return None
