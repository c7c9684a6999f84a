"""Deploys a float network in each number format that needs no training, and times the files."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from paretune.objectives.base import Subject
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.timing.differences import difference
from paretune.search.measuring.host_lock import host_lock
from paretune.search.profiling.advice.change import FORMATS, TriedFormat
from paretune.search.study.tables import OBJECTIVES
from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.quantization import QUANTIZATIONS
from paretune.task import Outputs

if TYPE_CHECKING:
    import numpy as np

    from paretune.objectives.runtimes.base import Artifact
    from paretune.search.profiling.networks import ProfiledNetwork

EXAMPLES = 64
"""Inputs that static int8 is calibrated on; times hardly depend on them."""

BATCH = 32
"""Inputs in one batch of the calibration."""

SECONDS = 0.5
"""Seconds of timing for each file."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Deployment:
    """A number format and its file."""

    mode: str
    artifact: Artifact


def try_formats(network: ProfiledNetwork, batch: int, folder: Path) -> tuple[TriedFormat, ...]:
    """Returns each number format with its time and size, as shares of those of the float file.

    All files run in turn with the float file. A format that the runtime refuses for this network
    has the reason instead.

    Args:
        network: The network. Nothing is tried if it is quantized already.
        batch: Inputs per run.
        folder: Folder for the files.
    """
    if network.quantized:
        return ()
    deployments: list[_Deployment] = []
    refused: list[TriedFormat] = []
    for mode in [mode for mode in FORMATS if mode in network.runtime.quantizations]:
        path = folder / f"{mode}{network.runtime.suffix}"
        try:
            with host_lock.working():
                deployments.append(_Deployment(mode, _export(network, mode, path)))
        except (Unmeasurable, InfeasibleCandidate) as error:
            refused.append(TriedFormat(mode, reason=str(error)))
        except Exception as error:  # a profile must not fail because a quantizer does
            _log.info("%s was not tried", mode, exc_info=True)
            refused.append(TriedFormat(mode, reason=f"{type(error).__name__}: {error}"))
    return (*_timed(network, deployments, batch), *refused)


def _export(network: ProfiledNetwork, mode: str, path: Path) -> Artifact:
    entry = QUANTIZATIONS.get(mode)
    candidate = Candidate(network.model, network.shape, Outputs(network.classes))
    context = Context(data=cast(Any, None))  # no layer is kept in float, so no data is needed
    request: Mapping[str, Any] | None = entry.apply(candidate, entry.Params(), context).quantization
    calibration = islice(_inputs(network), math.ceil(EXAMPLES / BATCH))
    artifact: Artifact = network.runtime.export(
        network.model, network.shape, path, request, calibration
    )
    return artifact


def _inputs(network: ProfiledNetwork) -> Iterator[np.ndarray]:
    for inputs, _ in network.data.arrays("validation", BATCH):
        yield inputs


def _timed(
    network: ProfiledNetwork, deployments: list[_Deployment], batch: int
) -> Iterator[TriedFormat]:
    """Yields the formats with their times; all files run in one session."""
    if not deployments:
        return
    latency = OBJECTIVES.get("latency")
    params = latency.Params(seconds=SECONDS, references=False, batch=batch)
    files = [network.artifact, *(deployment.artifact for deployment in deployments)]
    subjects = [
        Subject(file, network.runtime, network.options, network.model, network.data)
        for file in files
    ]
    with host_lock.measuring():
        reference, *measured = latency.measure_together(subjects, params)
    for deployment, measurement in zip(deployments, measured, strict=True):
        ratio = difference(measurement, reference)
        low, high = ratio.value - ratio.half, ratio.value + ratio.half
        yield TriedFormat(
            deployment.mode,
            time=math.exp(ratio.value),
            low=math.exp(low),
            high=math.exp(high),
            size=deployment.artifact.bytes / network.artifact.bytes,
        )
