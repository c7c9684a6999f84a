"""TorchScript: a traced graph that libtorch loads without Python."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from objectives.base import Unmeasurable
from objectives.host import cores
from objectives.inputs import Shape, example
from objectives.params import Params
from objectives.runtimes.base import Artifact
from objectives.runtimes.files import written

if TYPE_CHECKING:
    import numpy as np
    import torch


class TorchScript:
    """TorchScript (.pt): float32, for libtorch and mobile."""

    name = "torchscript"
    suffix = ".pt"
    quantizations: tuple[str, ...] = ()

    class Params(Params):
        """Options of torchscript."""

        threads: int = Field(1, ge=0, le=1024, description="of one inference; 0: all cores")

    @staticmethod
    def export(
        model: torch.nn.Module,
        shape: Shape,
        path: Path,
        quantization: Mapping[str, Any] | None = None,
        calibration: Iterator[np.ndarray] | None = None,
    ) -> Artifact:
        """Traces and freezes the model; the batch dimension is dynamic.

        Raises:
            Unmeasurable: It cannot be traced, or quantization is asked for.
            OSError: The file cannot be written.
        """
        import torch

        if quantization is not None:
            raise Unmeasurable("torchscript is float only here; pick a float trial")

        def write(draft: Path) -> dict[str, Any]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # TorchScript is deprecated, and still asked for
                try:
                    inputs = example(shape, 2)
                    traced = torch.jit.trace(model.eval(), inputs)  # type: ignore[no-untyped-call]
                    torch.jit.freeze(traced).save(str(draft))
                except OSError:
                    raise
                except Exception as error:  # tracing raises whatever the model's code raises
                    raise Unmeasurable(
                        f"the network cannot be traced: {type(error).__name__}: {error}"
                    ) from error
            return {}

        return written(path, TorchScript.name, write)

    @staticmethod
    def load(path: Path, options: Any, threads: int | None = None) -> _Session:
        """A session; the thread count is torch's own, for the whole process."""
        return _Session(path, options.threads if threads is None else threads)

    @staticmethod
    def unavailable() -> str | None:
        """Why it cannot be used here, or None."""
        return None


class _Session:
    def __init__(self, path: Path, threads: int) -> None:
        import torch

        torch.set_num_threads(threads or cores())
        torch.set_flush_denormal(True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = torch.jit.load(str(path))  # type: ignore[no-untyped-call]
            self._module = module.eval()

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            return self._module(torch.from_numpy(inputs)).numpy()  # type: ignore[no-any-return]
