"""torch.export: the graph that PyTorch's newer runtimes and compilers start from."""

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


class TorchExport:
    """torch.export (.pt2): float32, the input of ExecuTorch, AOTInductor and torch.compile."""

    name = "torch_export"
    suffix = ".pt2"
    quantizations: tuple[str, ...] = ()

    class Params(Params):
        """Options of torch_export."""

        threads: int = Field(1, ge=0, le=1024, description="of one inference; 0: all cores")

    @staticmethod
    def export(
        model: torch.nn.Module,
        shape: Shape,
        path: Path,
        quantization: Mapping[str, Any] | None = None,
        calibration: Iterator[np.ndarray] | None = None,
    ) -> Artifact:
        """Exports the model; the batch dimension is dynamic.

        Raises:
            Unmeasurable: It cannot be exported, or quantization is asked for.
            OSError: The file cannot be written.
        """
        import torch

        if quantization is not None:
            raise Unmeasurable("torch_export is float only here; pick a float trial")

        def write(draft: Path) -> dict[str, Any]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of torch's own internals
                try:
                    program = torch.export.export(
                        model.eval(),
                        (example(shape, 2),),
                        dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
                    )
                    torch.export.save(program, str(draft))
                except OSError:
                    raise
                except Exception as error:  # torch.export raises many kinds of its own
                    raise Unmeasurable(f"torch.export refuses the network: {error}") from error
            return {}

        return written(path, TorchExport.name, write)

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
            self._module = torch.export.load(str(path)).module()

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            return self._module(torch.from_numpy(inputs)).numpy()  # type: ignore[no-any-return]
