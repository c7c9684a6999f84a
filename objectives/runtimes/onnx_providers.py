"""Execution providers of ONNX Runtime: short names, and which are here."""

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
"""Short name -> ONNX Runtime's name, and the build that has it: one takes another's place."""


def provider(name: str) -> str:
    """ONNX Runtime's name of a provider, given short or whole.

    Raises:
        Unmeasurable: It is not here, with those that are and the build that has it.
    """
    import onnxruntime as ort

    full, build = PROVIDERS.get(name.lower(), (name, None))
    available = ort.get_available_providers()
    if full not in available:
        here = ", ".join(short for short, (long, _) in PROVIDERS.items() if long in available)
        hint = f"; pip install {build}, in place of the onnxruntime that is here" if build else ""
        raise Unmeasurable(
            f'ONNX Runtime has no execution provider "{name}" here; it has: {here}{hint}'
        )
    return full


def provider_options(full: str, threads: int) -> dict[str, str]:
    """A provider's own options: OpenVINO's does not look at the session's thread count.

    Args:
        full: ONNX Runtime's name of it.
        threads: Of one inference; 0 for all cores.
    """
    if full == "OpenVINOExecutionProvider":
        return {"device_type": "CPU", "num_of_threads": str(threads or cores())}
    return {}


def check_used(session: Any, full: str) -> None:
    """Refuses a session that fell back to the CPU: its numbers would be those of another provider.

    Raises:
        Unmeasurable: The provider could not be started, for want of its libraries or its device.
    """
    used = session.get_providers()
    if full not in used:
        raise Unmeasurable(
            f"{full} could not be started here (are its libraries and its device there?); "
            f"ONNX Runtime would use {', '.join(used)}"
        )
