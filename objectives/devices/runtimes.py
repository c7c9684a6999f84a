"""The runtimes that the runner has, and their options as it takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paretune.objectives.devices.errors import DeviceRefused
from paretune.objectives.runtimes.executorch import LARGEST
from paretune.objectives.runtimes.onnx_providers import PROVIDERS

ON_DEVICES = ("onnxruntime", "litert", "openvino", "executorch", "ncnn", "mnn")
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


def check_threads(address: str, cores: int, runtime: str, threads: int) -> None:
    """Refuses more threads than the device has cores: they take turns, and wait for each other.

    Args:
        address: Address of the device.
        cores: Cores that the runner may use there.
        runtime: Name of the runtime.
        threads: Threads of one inference; 0 for all cores.

    Raises:
        DeviceRefused: The threads are more than the cores.
    """
    if threads > cores:
        have = "1 core" if cores == 1 else f"{cores} cores"
        raise DeviceRefused(
            f"{runtime} is to use {threads} threads, and {address} has {have} for it: give "
            f"threads: {cores} or fewer, or 0 for all cores"
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
