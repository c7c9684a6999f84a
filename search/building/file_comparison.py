"""Compares what a deployed file computes with what its network computes."""

from __future__ import annotations

import re
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.jit._fuser import optimized_execution

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.base import Compute
from paretune.search.building import agreement
from paretune.search.building.baked_values import baked_text
from paretune.search.building.captured_output import captured
from paretune.search.building.forward_trace import Call, trace
from paretune.search.building.module_checks import ModuleOutputs, run
from paretune.search.building.probe_inputs import ProbeInputs, sample
from paretune.search.building.undisturbed import undisturbed

if TYPE_CHECKING:
    from paretune.objectives.runtimes.base import Artifact
    from paretune.search.data.dataset import Dataset
    from paretune.search.study.deployment import Deployment
    from paretune.spaces.base import Candidate

MOST = 200
"""Characters of a runtime's message that a reason repeats."""

FIRST, FEW, SLOW = 4, 16, 2.0
"""If the first examples take more than these seconds, only a few are compared."""

FIRST_BATCHES = (1, 2, 5)
"""Sizes of the first batches; a file that was exported for one size fails, or differs."""


def file_fault(
    compute: Compute,
    model: torch.nn.Module,
    inputs: ProbeInputs,
    expected: ModuleOutputs,
    allowed: float,
) -> str:
    """Returns how a file differs from its network on the probe inputs; empty if it does not.

    Args:
        compute: The loaded file.
        model: The network.
        inputs: Batches of different size and content.
        expected: Outputs of the network.
        allowed: Largest difference of a correct file, as a share of the outputs' spread.
    """
    failing: dict[tuple[int, ...], str] = {}
    differing: dict[tuple[int, ...], str] = {}
    ran: set[int] = set()
    for batch, outputs in expected.outputs.items():
        result, text = _run_batch(compute, inputs.batch(batch).numpy(), outputs)
        if result is None:
            failing[batch] = text
            continue
        ran.add(len(batch))
        apart = agreement.difference(outputs, result, expected.scale)
        if apart > allowed:
            differing[batch] = (
                "computes something else than the network: the outputs differ by "
                f"{agreement.share_text(apart)}"
            )
    if not failing and not differing:
        return ""
    wrong = {len(batch) for batch in failing or differing}
    right = {len(batch) for batch in expected.outputs} - wrong
    # One size that runs, and others that do not with any content: the size is to blame.
    fixed = f"the export fixes the batch at {min(right)}" if len(right) == 1 else ""
    texts = [fixed] if fixed else []
    calls: list[Call] = []
    for batch, text in (*_first(failing), *_first(differing)):
        texts.append(f"for {inputs.text(batch)}, the file {text}")
        calls += trace(model, inputs.batch(batch))
    about_sizes = bool(fixed) or bool(failing)
    baked = baked_text(calls, about_sizes, about_values=bool(differing) or not about_sizes)
    return "; ".join([*texts, baked]) if baked else "; ".join(texts)


def _first(texts: dict[tuple[int, ...], str]) -> list[tuple[tuple[int, ...], str]]:
    return list(texts.items())[:1]


def _run_batch(
    compute: Compute, inputs: np.ndarray, expected: np.ndarray
) -> tuple[np.ndarray | None, str]:
    """Returns the outputs of a file; or None and what it does wrong, as the end of "it ..."."""
    try:
        with captured(), without_tuning():
            outputs = compute(inputs)
    except Exception as error:  # runtimes have no common class of exceptions
        return None, f"fails: {_brief(error)}"
    if outputs.shape != expected.shape:
        return None, f"gives outputs of shape {list(outputs.shape)}, not {list(expected.shape)}"
    return outputs, ""


@dataclass(frozen=True)
class DeployedComparison:
    """Compares deployed files with their networks on validation examples.

    Attributes:
        data: The study's data.
    """

    data: Dataset

    @cached_property
    def _sample(self) -> tuple[torch.Tensor, torch.Tensor]:
        return sample(self.data)

    def checked(self, artifact: Artifact, candidate: Candidate, deployment: Deployment) -> Artifact:
        """Returns the artifact with info["agreement"].

        The reference is the candidate's network. After quantization-aware training that is the
        network with its rounding, as it was trained.

        Raises:
            Unmeasurable: The file cannot run, differs from the network by more than its number
                format allows, or is broken.
        """
        model, quantization = candidate.model, candidate.quantization
        options = deployment.options.model_dump()
        allowed = agreement.tolerance(quantization, options)
        with undisturbed():
            inputs, labels = self._affordable(model)
            network = run(model, inputs.clone())
            if not np.isfinite(network).all():
                raise Unmeasurable(_not_finite(network))
            file = self._file_outputs(artifact, deployment, inputs)
        fault = agreement.fault(network, file, labels.numpy(), allowed)
        if fault:
            text = f"the file for {deployment.name} {fault}"
            baked = "" if allowed is None else baked_text(trace(model, inputs[:5]), True, True)
            raise Unmeasurable(f"{text}; {baked}" if baked else text)
        compared = agreement.agreement(network, file, allowed).to_json()
        return replace(artifact, info={**artifact.info, "agreement": compared})

    def _affordable(self, model: torch.nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the examples to compare; fewer if the network is slow."""
        inputs, labels = self._sample
        begun = time.perf_counter()
        run(model, inputs[:FIRST].clone())
        slow = time.perf_counter() - begun > SLOW
        return (inputs[:FEW], labels[:FEW]) if slow else (inputs, labels)

    def _file_outputs(
        self, artifact: Artifact, deployment: Deployment, inputs: torch.Tensor
    ) -> np.ndarray:
        """Returns the file's outputs for batches of 1, 2, 5 and the rest."""
        ends = [sum(FIRST_BATCHES[: i + 1]) for i in range(len(FIRST_BATCHES))]
        parts = [part for part in np.split(inputs.numpy().copy(), ends) if len(part)]
        with captured(), without_tuning():
            try:
                compute = deployment.runtime.load(artifact.path, deployment.options, threads=0)
                return np.concatenate([compute(np.ascontiguousarray(part)) for part in parts])
            except Unmeasurable:
                raise
            except Exception as error:  # runtimes have no common class of exceptions
                raise Unmeasurable(
                    f"{deployment.name} cannot run the file: {_brief(error)}"
                ) from error


def without_tuning() -> AbstractContextManager[None]:
    """Keeps TorchScript from compiling for each size of a batch, which takes seconds."""
    context: AbstractContextManager[None] = optimized_execution(False)
    return context


def _not_finite(network: np.ndarray) -> str:
    count = int((~np.isfinite(network).all(axis=1)).sum())
    return f"the network's outputs are not finite for {count} of {len(network)} validation examples"


def _brief(error: Exception) -> str:
    """Returns the type and the message of a runtime's exception, without its sources and paths."""
    lines = str(error).strip().splitlines() or [""]
    # TorchScript tells the reason last, after its own call stack.
    text = lines[-1 if "TorchScript interpreter" in lines[0] else 0]
    text = re.sub(r".*Status Message: ", "", text)
    text = re.sub(r"/\S+:\d+ .*?\) ", "", text)  # a file, a line and a C++ function
    text = text if len(text) <= MOST else f"{text[:MOST]}..."
    return f"{type(error).__name__}: {text}"
