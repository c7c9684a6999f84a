"""Present clocks of an NVIDIA GPU, to record with timings. It follows NVML's manual."""

from __future__ import annotations

from typing import Any


def clocks() -> dict[str, Any]:
    """Returns name and present clocks in MHz of the first GPU, or `why_none` with the reason."""
    try:
        import pynvml
    except ImportError:
        return {"why_none": "clocks need the package nvidia-ml-py"}
    try:
        pynvml.nvmlInit()
        gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
        kinds = {"sm_mhz": pynvml.NVML_CLOCK_SM, "memory_mhz": pynvml.NVML_CLOCK_MEM}
        mhz = {name: pynvml.nvmlDeviceGetClockInfo(gpu, kind) for name, kind in kinds.items()}
        return {"gpu": pynvml.nvmlDeviceGetName(gpu), **mhz}
    except pynvml.NVMLError as error:
        return {"why_none": f"NVML: {error}"}
