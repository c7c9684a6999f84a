"""Tells how many channels the kernels of a runtime take at once."""

from __future__ import annotations

BLOCKED = ("onnxruntime", "openvino", "torch", "torchscript", "torch_compile", "torch_export")
"""Runtimes whose convolutions store channels in blocks of one vector register.

ONNX Runtime: NCHWc, 16 channels with AVX-512 and 8 without (MlasNchwcGetBlockSize). OpenVINO and
torch use oneDNN's nChw16c and nChw8c.
"""

LANES = {"AVX512": 16, "AVX2": 8}
"""Instruction set -> floats in a vector register."""

DEFAULT = 8
"""Channels of XNNPACK's and TensorRT's tiles, and of other machines."""


def channel_alignment(runtime: str) -> int:
    """Returns the number of channels that a pruned layer should keep a multiple of, here."""
    if runtime not in BLOCKED:
        return DEFAULT
    import torch

    return LANES.get(torch.backends.cpu.get_cpu_capability(), DEFAULT)
