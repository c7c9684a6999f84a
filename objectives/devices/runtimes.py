"""The runtimes that the runner has, and their options as it takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paretune.objectives.devices.errors import DeviceRefused
from paretune.objectives.runtimes.executorch import LARGEST
from paretune.objectives.runtimes.onnx_providers import PROVIDERS

ON_DEVICES = ("onnxruntime", "litert", "openvino", "executorch", "ncnn")
"""Names of the runtimes that the runner has."""


def check_on_device(runtime: str) -> None:
    """Refuses a runtime that the runner lacks.

    Raises:
        DeviceRefused: The runner lacks it.
    """
    if runtime not in ON_DEVICES:
        raise DeviceRefused(
            f"the runtime {runtime!r} does not run on devices; these do: {', '.join(ON_DEVICES)}"
        )


def options_on_device(runtime: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a runtime's options as the runner takes them.

    Raises:
        DeviceRefused: The runner lacks the runtime.
    """
    check_on_device(runtime)
    if runtime == "executorch":
        return {**options, "largest_batch": LARGEST}
    if runtime != "onnxruntime":
        return dict(options)
    name = str(options["provider"])
    full = PROVIDERS.get(name.lower(), (name, ""))[0]
    return {**options, "provider": full}
