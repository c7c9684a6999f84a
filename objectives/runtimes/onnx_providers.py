"""Execution providers of ONNX Runtime: their short names, options and availability."""

from __future__ import annotations

from typing import Any

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.host import cores

PROVIDERS = {
    "cpu": ("CPUExecutionProvider", "onnxruntime"),
    "cuda": ("CUDAExecutionProvider", "onnxruntime-gpu"),
    "tensorrt": ("TensorrtExecutionProvider", "onnxruntime-gpu"),
    "openvino": ("OpenVINOExecutionProvider", "onnxruntime-openvino"),
    "coreml": ("CoreMLExecutionProvider", "onnxruntime on a Mac"),
    "qnn": ("QNNExecutionProvider", "onnxruntime-qnn"),
    "directml": ("DmlExecutionProvider", "onnxruntime-directml on Windows"),
}
"""Short name -> ONNX Runtime's name, and the build that has it. Builds replace one another."""


def provider_name(name: str) -> str:
    """Returns ONNX Runtime's name of a provider, from its short or its full name.

    Raises:
        Unmeasurable: It is not available; the text lists those that are, and the build that has it.
    """
    import onnxruntime as ort

    full, build = PROVIDERS.get(name.lower(), (name, None))
    available = ort.get_available_providers()
    if full not in available:
        names = ", ".join(short for short, (long, _) in PROVIDERS.items() if long in available)
        hint = f"; pip install {build}, in place of the installed onnxruntime" if build else ""
        raise Unmeasurable(
            f'ONNX Runtime has no execution provider "{name}" here; it has: {names}{hint}'
        )
    return full


def provider_options(full: str, threads: int) -> dict[str, str]:
    """Returns a provider's own options; OpenVINO's ignores the session's thread count.

    Args:
        full: ONNX Runtime's name of the provider.
        threads: Threads of one inference; 0 for all cores.
    """
    if full == "OpenVINOExecutionProvider":
        return {"device_type": "CPU", "num_of_threads": str(threads or cores())}
    return {}


def check_used(session: Any, full: str) -> None:
    """Refuses a session that fell back to the CPU: its numbers would not be the provider's.

    Raises:
        Unmeasurable: The provider could not be started; its libraries or its device are missing.
    """
    used = session.get_providers()
    if full not in used:
        raise Unmeasurable(
            f"{full} could not be started here (are its libraries and its device present?); "
            f"ONNX Runtime would use {', '.join(used)}"
        )
